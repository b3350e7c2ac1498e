// A bundle in the browser: fetched, verified byte by byte, run by onnxruntime-web, and tested with its golden rows.
(() => {
  const edge = window.slipwayEdge;
  const { KINDS, Refusal, fieldsOf, parse, plain, read } = edge;
  const TIMED = 20;
  const bytesOf = (base64) => Uint8Array.from(atob(base64.trim()), (letter) => letter.charCodeAt(0));
  const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const decode = (buffer) => new TextDecoder("utf-8", { fatal: true }).decode(buffer);

  // --- what was signed ---
  const fetched = async (address) => {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(`${address.split("/").pop()} cannot be fetched (${answer.status}).`);
    return answer.arrayBuffer();
  };
  const verified = async (base, key) => {
    if (!window.crypto?.subtle) throw new Error("This browser verifies signatures over HTTPS only, or on this very machine.");
    const data = await fetched(`${base}manifest.json`), signature = decode(await fetched(`${base}manifest.sig`));
    const kind = new TextEncoder().encode("slipway edge bundle 1\n");
    const signed = new Uint8Array([...kind, ...new Uint8Array(data)]);
    const trusted = await crypto.subtle.importKey("raw", bytesOf(key), { name: "Ed25519" }, false, ["verify"]);
    if (!(await crypto.subtle.verify("Ed25519", trusted, bytesOf(signature), signed)))
      throw new Error("The signature is not by the key that this page trusts.");
    const manifest = parse(decode(data)), files = {};
    for (const file of plain(manifest.map.get("files"))) {
      if (!["model.onnx", "signature.json", "golden.json"].includes(file.path)) continue;
      files[file.path] = await fetched(`${base}${file.path}`);
      if (hex(await crypto.subtle.digest("SHA-256", files[file.path])) !== file.sha256)
        throw new Error(`${file.path} is not the file that was signed.`);
    }
    return { manifest, files };
  };

  // --- rows to tensors ---
  const ARRAYS = {
    float32: [Float32Array, Number], float64: [Float64Array, Number], int32: [Int32Array, Number],
    int64: [BigInt64Array, BigInt], bool: [Uint8Array, Number],
  };
  // A value as its field's own type holds it; whole numbers stay exact.
  const held = (field, value) => {
    const { kind } = KINDS[field.type];
    if (value === undefined || value === null) return kind === "text" ? "" : NaN;
    if (kind === "text" || kind === "bool") return value;
    return field.type === "float" ? Math.fround(Number(value.value)) : kind === "real" ? Number(value.value) : value.value;
  };
  const flat = (value) => (Array.isArray(value) ? value.flatMap(flat) : [value]);
  const tensor = (type, values, dims) => {
    if (type === "string") return new ort.Tensor("string", values.map(String), dims);
    if (!(type in ARRAYS)) throw new Error(`The model wants inputs of the type ${type}, which is not served.`);
    const [Kind, as] = ARRAYS[type];
    return new ort.Tensor(type, Kind.from(values, as), dims);
  };
  const feedsOf = (session, fields, rows) => {
    const inputs = session.inputMetadata, names = fields.map((field) => field.name);
    if (inputs.length === 1 && fields.length > 1) {
      const values = rows.flatMap((row) => row.map((value, at) => held(fields[at], value)));
      return { [inputs[0].name]: tensor(inputs[0].type, values, [rows.length, fields.length]) };
    }
    const byName = inputs.every((input) => names.includes(input.name));
    return Object.fromEntries(inputs.map((input, place) => {
      const at = byName ? names.indexOf(input.name) : place, field = fields[at];
      const values = rows.flatMap((row) => flat(row[at]).map((value) => held(field, value)));
      const own = field.shape ?? (input.shape.length === 1 ? [] : [1]);
      return [input.name, tensor(input.type, values, [rows.length, ...own])];
    }));
  };

  // --- tensors to answers ---
  const numbersOf = (found) => {
    const numbers = Array.from(found.data, Number);
    if (!numbers.every(Number.isFinite)) throw new Error("The model's answer holds a value that is not a finite number.");
    return numbers;
  };
  const regressions = (found, rows) => {
    const numbers = numbersOf(found), width = numbers.length / rows;
    if (width === 1) return numbers;
    return Array.from({ length: rows }, (_, row) => numbers.slice(row * width, (row + 1) * width));
  };
  const name = (value) => (value === true ? "True" : value === false ? "False" : value?.text ?? String(value));
  const label = (value) => (typeof value === "bigint" ? Number(value) : value);
  const choices = (labels, chances, classes, rows) => {
    const names = classes.map(name), numbers = chances && numbersOf(chances);
    return Array.from({ length: rows }, (_, row) => {
      const found = { label: label(labels.data[row]) };
      if (numbers) found.probabilities = Object.fromEntries(names.map((each, at) => [each, numbers[row * names.length + at]]));
      return found;
    });
  };

  class Model {
    constructor(session, { manifest, files }) {
      this.session = session;
      this.about = plain(manifest);
      this.classes = manifest.map.get("classes") ?? [];
      this.fields = fieldsOf(parse(decode(files["signature.json"])));
      this.goldenText = decode(files["golden.json"]);
    }
    // The text of a request in, one answer a row out; throws Refusal as the server would.
    async predict(body) {
      const rows = read(body, this.fields);
      const outputs = this.session.outputNames, given = this.about.onnx ?? {};
      if (this.about.kind !== "classifier") {
        const found = await this.session.run(feedsOf(this.session, this.fields, rows), [outputs[0]]);
        return regressions(found[outputs[0]], rows.length);
      }
      const labels = given.label ?? outputs[0], chances = given.probabilities ?? outputs[1];
      const found = await this.session.run(feedsOf(this.session, this.fields, rows), [labels, chances].filter(Boolean));
      return choices(found[labels], found[chances], this.classes, rows.length);
    }
    async selfTest() {
      const golden = parse(this.goldenText), rows = golden.map.get("rows");
      const text = (row) => `{"instances": [${written(row)}]}`;
      const found = await this.predict(`{"instances": [${rows.map(written).join(", ")}]}`);
      const far = apart(found, plain(golden.map.get("predictions")));
      if (far > this.about.tolerance) throw new Error(`The golden rows are answered ${far.toExponential(1)} away from what was signed.`);
      for (const wrong of golden.map.get("refused")) {
        const rules = plain(wrong.map.get("rules")), ours = await this.refusal(text(wrong.map.get("row")));
        if (JSON.stringify(ours) !== JSON.stringify(rules)) throw new Error("A wrong row is not refused as the server refuses it.");
      }
      return { far, rows: rows.length, refused: golden.map.get("refused").length, seconds: await this.time(text(rows[0])) };
    }
    async refusal(body) {
      try {
        await this.predict(body);
      } catch (error) {
        if (error instanceof Refusal) return error.details.map(({ field, rule }) => [field, rule]);
        throw error;
      }
      return null;
    }
    async time(body) {
      const times = [];
      for (let at = 0; at < 2 * TIMED; at++) {
        const start = performance.now();
        await this.predict(body);
        if (at >= TIMED) times.push(performance.now() - start);
      }
      return times.sort((one, other) => one - other)[TIMED / 2] / 1000;
    }
  }
  // JSON again, with every number as it was written.
  const written = (value) => {
    if (value instanceof edge.Num) return value.text;
    if (Array.isArray(value)) return `[${value.map(written).join(", ")}]`;
    if (value instanceof edge.Obj) return `{${[...value.map].map(([key, item]) => `${JSON.stringify(key)}: ${written(item)}`).join(", ")}}`;
    return JSON.stringify(value);
  };
  const form = (answer) => (typeof answer === "number" ? 0 : Array.isArray(answer) ? answer.map(form) : [answer.label, Object.keys(answer.probabilities ?? {})]);
  const numbers = (answer) => (typeof answer === "number" ? [answer] : Array.isArray(answer) ? answer.flatMap(numbers) : Object.values(answer.probabilities ?? {}));
  const apart = (found, wanted) => {
    if (JSON.stringify(form(found)) !== JSON.stringify(form(wanted))) return Infinity;
    const ours = numbers(found), theirs = numbers(wanted);
    const scale = theirs.reduce((most, number) => Math.max(most, Math.abs(number)), 0) || 1;
    return ours.reduce((most, number, at) => Math.max(most, Math.abs(number - theirs[at]) / scale), 0);
  };

  // `runtime` holds the addresses of the parts of onnxruntime-web. One thread: more would need headers of their own.
  const open = async ({ base, key, runtime }) => {
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmPaths = runtime;
    const parts = await verified(base, key);
    const session = await ort.InferenceSession.create(new Uint8Array(parts.files["model.onnx"]), { executionProviders: ["wasm"] });
    return new Model(session, parts);
  };
  Object.assign(edge, { apart, open });
})();
