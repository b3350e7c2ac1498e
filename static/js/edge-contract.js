// The contract of a model in the browser: the rules of serving/contract, in the same order and the same words.
(() => {
  const { Num, Obj, NoJson, parse } = window.slipwayEdge;
  const MOST_DETAILS = 20, MOST_ROWS = 10000;
  const FLOAT_MOST = 3.4028234663852886e38;
  const KINDS = {
    boolean: { kind: "bool", words: "true or false" },
    integer: { kind: "int", words: "a whole number", least: -(2n ** 31n), most: 2n ** 31n - 1n },
    long: { kind: "int", words: "a whole number", least: -(2n ** 63n), most: 2n ** 63n - 1n },
    float: { kind: "real", words: "a number", least: -FLOAT_MOST, most: FLOAT_MOST },
    double: { kind: "real", words: "a number", least: -Infinity, most: Infinity },
    string: { kind: "text", words: "text" },
  };
  const TENSORS = { bool: "boolean", int32: "integer", int64: "long", float32: "float", float64: "double", object: "string", str: "string" };
  const BOUNDS = [
    ["gt", "greater than", (value, limit) => value > limit],
    ["ge", "at least", (value, limit) => value >= limit],
    ["lt", "less than", (value, limit) => value < limit],
    ["le", "at most", (value, limit) => value <= limit],
  ];
  class Refusal extends Error {
    constructor(details) {
      const kept = details.slice(0, MOST_DETAILS), more = kept.length - 1;
      super(sentence(kept[0]) + (more > 0 ? ` (and ${more} more)` : ""));
      this.details = kept;
    }
  }
  const sentence = ({ row, field, rule }) => {
    const name = [row === null ? "" : `instances[${row}]`, field].filter(Boolean).join(".");
    return name ? `${name}: ${rule}` : rule;
  };
  const whole = (rule) => new Refusal([{ row: null, field: null, rule }]);

  // C's %g, in which Python writes limits that are no whole numbers.
  const general = (number) => {
    if (number === 0) return Object.is(number, -0) ? "-0" : "0";
    const exponent = Number(number.toExponential(5).split("e")[1]);
    const short = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
    if (exponent >= -4 && exponent < 6) return short(number.toFixed(5 - exponent));
    const sign = exponent < 0 ? "-" : "+";
    return `${short(number.toExponential(5).split("e")[0])}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
  };
  const shownLimit = (limit) => (limit.whole ? String(limit.value) : general(limit.value));
  const text = (value) => (value instanceof Num ? (value.whole ? String(value.value) : value.text) : String(value));

  // --- one field ---
  const fieldsOf = (signature) => {
    const limits = signature.map.get("metadata")?.map.get("constraints")?.map ?? new Map();
    return signature.map.get("inputs").map((spec) => {
      const given = spec.map.get("name") || "", type = spec.map.get("type");
      const name = given || "input";
      const found = limits.get(name)?.map ?? new Map();
      const field = { name, named: Boolean(given), required: spec.map.get("required") ?? true, shape: null, type };
      if (type === "tensor") {
        const tensor = spec.map.get("tensor-spec").map;
        field.type = TENSORS[tensor.get("dtype")] ?? tensor.get("dtype");
        field.shape = tensor.get("shape").slice(1).map((size) => Number(size.value));
      }
      for (const [key] of BOUNDS) field[key] = found.get(key) ?? null;
      field.values = found.get("values") ?? null;
      return field;
    });
  };
  const broken = (field, value) => {
    const { kind, words } = KINDS[field.type];
    if (value === null) return field.required ? `must be ${words}, not null` : null;
    const rule = wrongType(kind, words, value);
    if (rule) return rule;
    const outside = kind === "int" || kind === "real" ? outOfLimits(field, value.value) : null;
    if (outside) return outside;
    if (field.values && !field.values.some((allowed) => same(allowed, value)))
      return field.values.length <= 12 ? `must be one of ${field.values.map(text).join(", ")}` : "is not an allowed value";
    return null;
  };
  const same = (allowed, value) =>
    allowed instanceof Num ? value instanceof Num && allowed.value == value.value : allowed === value; // eslint-disable-line eqeqeq
  const wrongType = (kind, words, value) => {
    if (kind === "real" && value instanceof Num) return null;
    if (kind === "int" && value instanceof Num)
      return value.whole ? null : "must be a whole number, written without a decimal point";
    if (kind === "bool" && typeof value === "boolean") return null;
    if (kind === "text" && typeof value === "string") return null;
    return `must be ${words}`;
  };
  const outOfLimits = (field, value) => {
    if (typeof value === "number" && !Number.isFinite(value)) return "must be a finite number";
    for (const [key, words, holds] of BOUNDS)
      if (field[key] !== null && !holds(value, field[key].value)) return `must be ${words} ${shownLimit(field[key])}`;
    const { least, most } = KINDS[field.type];
    if (value < least || value > most || !Number.isFinite(Number(value))) return `is outside the range of the type ${field.type}`;
    return null;
  };
  const nested = (value, field, shape) => {
    if (!shape.length) return broken(field, value);
    if (!Array.isArray(value) || value.length !== shape[0])
      return `must be a list of ${shape[0]} ${shape.length > 1 ? "lists" : "values"}`;
    for (const [at, item] of value.entries()) {
      const rule = nested(item, field, shape.slice(1));
      if (rule) return `value ${at + 1} ${rule}`;
    }
    return null;
  };

  // --- rows ---
  const shown = (name) => ([...name].length <= 60 && /^(?:[^\p{C}\p{Z}]| )*$/u.test(name) ? name : "a name that cannot be shown");
  const valueRule = (value, field) => (field.shape === null ? broken(field, value) : nested(value, field, field.shape));
  const objectRow = (row, fields) => {
    const known = new Set(fields.map((field) => field.name)), found = [];
    for (const name of row.doubled) found.push([shown(name), "is given twice"]);
    for (const name of row.map.keys()) if (!known.has(name)) found.push([shown(name), "is not a field of this model"]);
    for (const field of fields) {
      if (!row.map.has(field.name)) {
        if (field.required) found.push([field.name, "is required"]);
        continue;
      }
      const rule = valueRule(row.map.get(field.name), field);
      if (rule) found.push([field.name, rule]);
    }
    return found;
  };
  const listRow = (row, fields) => {
    const least = fields.reduce((most, field, at) => (field.required ? at + 1 : most), 0);
    if (row.length < least || row.length > fields.length)
      return [[null, `must hold ${fields.length} values: ${fields.slice(0, 20).map((field) => field.name).join(", ")}`]];
    return row.map((value, at) => [fields[at].name, broken(fields[at], value)]).filter(([, rule]) => rule);
  };
  const rowRules = (row, fields) => {
    if (fields[0].shape !== null) {
      if (row instanceof Obj && fields[0].named) return objectRow(row, fields.slice(0, 1));
      const rule = nested(row, fields[0], fields[0].shape);
      return rule ? [[null, rule]] : [];
    }
    if (row instanceof Obj) return objectRow(row, fields);
    if (Array.isArray(row)) return listRow(row, fields);
    return [[null, "must be an object of fields or a list of values"]];
  };
  const instancesOf = (value) => {
    const form = 'the body must be {"instances": [row, …]}';
    if (!(value instanceof Obj) || !value.map.has("instances")) throw whole(form);
    if (value.doubled.length) throw whole("the body gives a name twice");
    if (value.map.size > 1) throw whole(`${form}; it holds other names too`);
    const instances = value.map.get("instances");
    if (!Array.isArray(instances) || !instances.length) throw whole("instances must be a list of at least one row");
    if (instances.length > MOST_ROWS)
      throw whole(`a request can hold ${MOST_ROWS.toLocaleString("en")} rows at most; send more rows in several requests`);
    return instances;
  };

  // Returns the rows, each as its values in the order of the fields (undefined where one is left out); throws Refusal.
  const read = (body, fields) => {
    let value;
    try {
      value = parse(body);
    } catch (error) {
      throw error instanceof NoJson ? whole(error.message) : error;
    }
    const instances = instancesOf(value), found = [];
    if (new Set(instances.map((row) => row instanceof Obj)).size > 1) throw whole("the rows must be all objects or all lists");
    for (const [number, row] of instances.entries()) {
      found.push(...rowRules(row, fields).map(([field, rule]) => ({ row: number, field, rule })));
      if (found.length >= MOST_DETAILS) break;
    }
    if (found.length) throw new Refusal(found);
    return instances.map((row) => {
      if (row instanceof Obj) return fields.map((field) => row.map.get(field.name));
      return fields[0].shape !== null ? [row] : fields.map((_, at) => row[at]);
    });
  };
  Object.assign(window.slipwayEdge, { KINDS, Refusal, fieldsOf, general, read });
})();
