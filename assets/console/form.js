// Fields for an answer: made from its schema where that is simple, else a place for JSON.

import { h, cut, fill } from "/console/dom.js";
import { read } from "/console/api.js";

const MOST_FIELDS = 20;
const MOST_CHOICES = 100;
const NUMBER = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/;

let made = 0;

const scalar = (value) => value === null || ["string", "number", "boolean"].includes(typeof value);

/** What kind of field a schema asks for; undefined when it takes more than a field. */
function kindOf(schema) {
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) return undefined;
  if (["$ref", "anyOf", "oneOf", "allOf", "not", "if"].some((name) => name in schema)) return undefined;
  if (Array.isArray(schema.enum)) return schema.enum.length <= MOST_CHOICES && schema.enum.every(scalar) ? "enum" : undefined;
  return ["boolean", "string", "number", "integer"].includes(schema.type) ? schema.type : undefined;
}

function flat(schema) {
  if (typeof schema !== "object" || schema === null || schema.type !== "object" || typeof schema.properties !== "object" || schema.properties === null) return false;
  if (["$ref", "anyOf", "oneOf", "allOf", "not", "if"].some((name) => name in schema)) return false;
  const names = Object.keys(schema.properties);
  return names.length > 0 && names.length <= MOST_FIELDS && names.every((name) => kindOf(schema.properties[name]));
}

/** A form's fields for a schema: `element`, `read()` which gives `{value}` or marks what is wrong and gives undefined,
 *  and `mark(violations)` which shows a server's refusal beside the fields and gives those that have none. */
export class Answer {
  constructor(schema) {
    this.element = h("div", { class: "fields" });
    const fields = flat(schema) ? Object.entries(schema.properties).map(([name, part]) =>
      new Field(name, part, Array.isArray(schema.required) && schema.required.includes(name)))
      : kindOf(schema) ? [new Field(undefined, schema, true)] : undefined;
    this.one = fields !== undefined && !flat(schema);
    this.json = new Json(schema);
    if (!fields) return this.use([this.json], true);
    this.use(fields, false);
    const swap = h("button", { type: "button", class: "link", onclick: () => {
      const asJson = this.fields[0] !== this.json;
      this.use(asJson ? [this.json] : fields, asJson);
      this.element.append(swap);
      fill(swap, asJson ? "Answer by fields" : "Answer in JSON");
      this.fields[0].focus();
    } }, "Answer in JSON");
    this.element.append(swap);
  }

  use(fields, whole) {
    this.fields = fields;
    this.whole = whole || this.one;
    fill(this.element, ...fields.map((field) => field.element));
  }

  read() {
    let first;
    const output = {};
    let single;
    for (const field of this.fields) {
      const { value, problem } = field.read();
      field.say(problem);
      if (problem) first ??= field;
      else if (this.whole) single = value;
      else if (value !== undefined) Object.defineProperty(output, field.name, { value, enumerable: true, configurable: true });
    }
    if (first) {
      first.focus();
      return undefined;
    }
    return { value: this.whole ? single : output };
  }

  mark(violations) {
    let first;
    const left = [];
    for (const violation of violations.slice(0, 50)) {
      const pointer = String(violation?.pointer ?? "");
      const told = cut(violation?.message ?? violation?.rule ?? "not valid", 500);
      const name = pointer.split("/").slice(2, 3).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))[0];
      const field = this.whole ? this.fields[0] : this.fields.find((one) => one.name === name);
      if (!field || !pointer.startsWith("/output")) left.push(`${pointer} ${told}`.trim());
      else {
        field.say(this.whole && name !== undefined ? `${pointer.slice("/output".length)}: ${told}` : told);
        first ??= field;
      }
    }
    first?.focus();
    return { left, focused: first !== undefined };
  }

  focus() {
    this.fields[0].focus();
  }
}

/** One value. */
class Field {
  constructor(name, schema, required) {
    made += 1;
    this.id = `field-${made}`;
    this.name = name;
    this.schema = schema;
    this.required = required;
    this.kind = kindOf(schema);
    const title = cut(typeof schema.title === "string" ? schema.title : name ?? "Answer", 120);
    const hint = [typeof schema.description === "string" && cut(schema.description, 500), limits(schema)].filter(Boolean).join(" · ");
    this.error = h("p", { class: "problem", id: `${this.id}-error`, hidden: true });
    this.described = [hint && `${this.id}-hint`, `${this.id}-error`].filter(Boolean).join(" ");
    const label = [title, !required && h("span", { class: "faint" }, " (may be left out)")];
    const about = hint && h("p", { class: "hint", id: `${this.id}-hint` }, hint);
    this.element = this.kind === "boolean" ? this.choices(label, about)
      : h("div", { class: "field" }, h("label", { for: this.id }, label), about, this.control(), this.error);
  }

  control() {
    const common = { id: this.id, "aria-describedby": this.described, autocomplete: "off" };
    if (this.kind === "enum") {
      return this.input = h("select", common, h("option", { value: "" }, "Choose…"),
        this.schema.enum.map((value, index) => h("option", { value: index }, cut(typeof value === "string" ? value : JSON.stringify(value), 200))));
    }
    if (this.kind === "string" && !this.schema.format && !(this.schema.maxLength <= 80)) {
      return this.input = h("textarea", { ...common, rows: 2 });
    }
    return this.input = h("input", { ...common, type: "text", inputmode: this.kind === "string" ? undefined : "decimal" });
  }

  choices(label, about) {
    const radio = (value, word) => h("label", { class: "radio" }, h("input", { type: "radio", name: this.id, value, "aria-describedby": this.described }), ` ${word}`);
    const element = h("fieldset", { class: "field" }, h("legend", {}, label), about,
      h("div", { class: "radios" }, radio("true", "Yes"), radio("false", "No"), !this.required && radio("", "Leave out")), this.error);
    this.input = element.querySelector("input");
    return element;
  }

  read() {
    if (this.kind === "boolean") {
      const chosen = this.element.querySelector("input:checked")?.value;
      if (!chosen) return this.required ? { problem: "Choose one." } : {};
      return { value: chosen === "true" };
    }
    const text = this.input.value;
    if (this.kind === "enum") {
      if (text === "") return this.required ? { problem: "Choose one." } : {};
      return { value: this.schema.enum[Number(text)] };
    }
    if (this.kind === "string") return text === "" && !this.required ? {} : { value: text };
    const number = text.trim();
    if (number === "") return this.required ? { problem: "Write a number." } : {};
    if (!NUMBER.test(number)) return { problem: `${cut(number, 40)} is no number; write digits, with a point for decimals.` };
    return { value: read(number) };
  }

  say(problem) {
    this.error.hidden = !problem;
    fill(this.error, problem ?? "");
    const inputs = this.kind === "boolean" ? this.element.querySelectorAll("input") : [this.input];
    for (const input of inputs) problem ? input.setAttribute("aria-invalid", "true") : input.removeAttribute("aria-invalid");
  }

  focus() {
    this.input.focus();
  }
}

function limits(schema) {
  const told = [];
  if (schema.type === "integer") told.push("a whole number");
  if (schema.type === "number") told.push("a number");
  if (typeof schema.minimum === "number") told.push(`${schema.minimum} or more`);
  if (typeof schema.maximum === "number") told.push(`${schema.maximum} or less`);
  if (typeof schema.format === "string") told.push(cut(schema.format, 40));
  if (typeof schema.minLength === "number" && schema.minLength > 0) told.push(`at least ${schema.minLength} characters`);
  if (typeof schema.maxLength === "number") told.push(`at most ${schema.maxLength} characters`);
  return told.join(", ");
}

/** Any value, in JSON. */
export class Json extends Field {
  constructor(schema, title = "Answer in JSON") {
    super(undefined, { type: "string", title }, true);
    this.input.rows = 6;
    this.input.className = "code-area";
    this.input.spellcheck = false;
  }

  read() {
    if (this.input.value.trim() === "") return { problem: "Write JSON, such as {\"approved\": true}; a text stands in quotes." };
    try {
      return { value: read(this.input.value) };
    } catch (error) {
      return { problem: `This is not JSON: ${cut(error.message, 200)}` };
    }
  }
}
