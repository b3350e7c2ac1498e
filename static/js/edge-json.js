// JSON as the contract needs it: whole numbers of any size apart from fractions, and names that come twice.
// JSON.parse would read 1.0 as 1, round long numbers, and forget the first of two equal names.
(() => {
  class Num {
    constructor(text) {
      this.text = text;
      this.whole = /^-?\d+$/.test(text);
      this.value = this.whole ? BigInt(text) : text === "NaN" ? NaN : Number(text);
    }
  }
  class Obj {
    constructor(pairs) {
      this.map = new Map(pairs);
      const counts = new Map();
      for (const [name] of pairs) counts.set(name, (counts.get(name) ?? 0) + 1);
      this.doubled = [...counts].filter(([, count]) => count > 1).map(([name]) => name).sort();
    }
  }
  class NoJson extends Error {}

  const TOKEN = /[\s]*(?:([{}[\],:])|("(?:[^"\\\u0000-\u001f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null|NaN|-?Infinity))/y;
  const WORDS = { true: true, false: false, null: null };
  const DEEPEST = 500;

  class Reader {
    constructor(text) {
      this.text = text;
      this.at = 0;
      this.next();
    }
    next() {
      TOKEN.lastIndex = this.at;
      const found = TOKEN.exec(this.text);
      if (!found) {
        if (this.text.slice(this.at).trim()) throw new NoJson("the body is not valid JSON");
        this.token = null;
        return;
      }
      this.at = TOKEN.lastIndex;
      this.token = found;
    }
    take(sign) {
      if (this.token?.[1] !== sign) throw new NoJson("the body is not valid JSON");
      this.next();
    }
    value(depth = 0) {
      if (!this.token || depth > DEEPEST) throw new NoJson("the body is not valid JSON");
      const [, sign, string, number, word] = this.token;
      if (sign === "{") return this.object(depth);
      if (sign === "[") return this.list(depth);
      if (sign) throw new NoJson("the body is not valid JSON");
      this.next();
      if (string) return JSON.parse(string);
      if (number) return new Num(number);
      return word in WORDS ? WORDS[word] : new Num(word);
    }
    object(depth) {
      const pairs = [];
      this.take("{");
      while (this.token?.[1] !== "}") {
        if (pairs.length) this.take(",");
        if (!this.token?.[2]) throw new NoJson("the body is not valid JSON");
        const name = JSON.parse(this.token[2]);
        this.next();
        this.take(":");
        pairs.push([name, this.value(depth + 1)]);
      }
      this.next();
      return new Obj(pairs);
    }
    list(depth) {
      const items = [];
      this.take("[");
      while (this.token?.[1] !== "]") {
        if (items.length) this.take(",");
        items.push(this.value(depth + 1));
      }
      this.next();
      return items;
    }
  }

  const parse = (text) => {
    const reader = new Reader(text);
    const value = reader.value();
    if (reader.token) throw new NoJson("the body is not valid JSON");
    return value;
  };
  // Back to what JavaScript calls values, for documents that are ours.
  const plain = (value) => {
    if (value instanceof Num) return Number(value.value);
    if (Array.isArray(value)) return value.map(plain);
    if (value instanceof Obj) return Object.fromEntries([...value.map].map(([name, item]) => [name, plain(item)]));
    return value;
  };
  window.slipwayEdge = { Num, Obj, NoJson, parse, plain };
})();
