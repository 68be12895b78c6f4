// What an application does to the cells of a table before a model takes them, by signature.json.
// The page and predict.mjs use it; src/millrace/export/runtimes/cells.py does the same in Python.
"use strict";

const SPACES = /^[ \t]+|[ \t]+$/g;
// What stands around the values of a delimited cell; trim() takes more.
const WIDE_SPACES = /^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g;

const TRUTH = new Map([["true", 1], ["false", 0]]);
const NUMBER = /^(?:[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|([+-]?)(inf|infinity|nan))$/i;

// Spaces within numbers: plain, no-break, narrow no-break, thin.
const GAP = "[ \u00a0\u202f\u2009]";
const SIGN = "[-+−]";
const CURRENCIES = [
  ..."US$ R$ A$ C$ $ £ € ¥ ₹ ₽ ₺ ₩ ₪ ₫ ₴ ฿ USD EUR GBP JPY CHF CAD AUD NZD CNY INR SEK NOK DKK".split(" "),
  ..."PLN CZK HUF BRL MXN ZAR TRY SGD HKD KRW RUB kr. kr zł Kč Ft Rs. Rs".split(" "),
];

const ISO =
  /^(?<Y>[0-9]{4})-(?<m>[0-9]{2})-(?<d>[0-9]{2})(?:[T ](?<H>[0-9]{2}):(?<M>[0-9]{2})(?::(?<S>[0-9]{2})(?:\.(?<f>[0-9]{1,9}))?)?(?<z>Z|[+-][0-9]{2}:?[0-9]{2})?)?$/;
// What stands for each directive of a format; %s and %Q are seconds and milliseconds since 1970.
const DIRECTIVES = {
  Y: "[0-9]{4}",
  y: "[0-9]{2}",
  ...Object.fromEntries([..."mdHIMS"].map((letter) => [letter, "[0-9]{1,2}"])),
  f: "[0-9]+",
  p: "[AaPp][Mm]",
  ...Object.fromEntries([..."bBaA"].map((letter) => [letter, "[A-Za-z]+"])),
  z: "Z|[+-][0-9]{2}:?[0-9]{2}",
  Z: "Z|UTC|GMT",
  s: "-?[0-9]+(?:\\.[0-9]*)?",
  Q: "-?[0-9]+(?:\\.[0-9]*)?",
  "%": "%",
};
const MONTHS =
  "january february march april may june july august september october november december".split(" ");
const MICROSECONDS_PER_DAY = 86_400_000_000n;

/** A cell is no number or time that its column takes. */
class CellError extends Error {}

/** Returns a cell as the model takes it; `about` is the column's entry in the signature. */
function modelValue(about, cell) {
  try {
    return asInput(about, cell);
  } catch (error) {
    if (!(error instanceof CellError)) throw error;
    throw new CellError(`column '${about.name}': ${error.message}`);
  }
}

function asInput(about, cell) {
  const text = typeof cell === "string" ? cell.replace(SPACES, "") : cell;
  const isMissing = text === null || text === "" || (about.missing ?? []).includes(text);
  if (about.column_type === "date" || about.column_type === "timestamp") {
    const [days, seconds] = isMissing ? [NaN, NaN] : daysAndSeconds(text, about);
    return about.column_type === "date" ? days : [days, seconds];
  }
  // A number that means missing, such as -1, the model knows itself.
  if (about.type === "float32") return isMissing ? NaN : asNumber(text, about);
  if (cell !== null) checkText(cell);
  if (about.max_length) {
    const found = isMissing ? [] : values(text, about.delimiter).slice(0, about.max_length);
    return [...found, ...Array(about.max_length - found.length).fill("")];
  }
  if (about.missing === null) return cell ?? "";
  // The model knows a text with one space before or behind it.
  if (about.takes_cells && cell !== null && cell.replace(/^ /, "").replace(/ $/, "") === text) return cell;
  return isMissing ? "" : text;
}

function checkText(cell) {
  if (typeof cell !== "string") throw new CellError(`expected a text, found ${shown(cell)}`);
  if (!cell.isWellFormed()) throw new CellError(`expected a text in Unicode, found ${shown(cell)}`);
}

const shown = (cell) => JSON.stringify(cell).slice(0, 80);

function asNumber(cell, about) {
  if (typeof cell === "number" || typeof cell === "boolean") return Number(cell);
  if (typeof cell !== "string") throw new CellError(`expected a number or its text, found ${shown(cell)}`);
  const truth = TRUTH.get(cell.toLowerCase());
  if (truth !== undefined) return truth;
  if (about.decimal !== null) return formattedNumber(cell, about.decimal, about.thousands);
  const found = NUMBER.exec(cell);
  if (!found) throw new CellError(`expected a number such as 1234.5, found '${cell}'`);
  if (found[2] === undefined) return Number(cell);
  return found[2].toLowerCase() === "nan" ? NaN : found[1] === "-" ? -Infinity : Infinity;
}

/** Returns the number that a text such as $1,234.50, 12,5 % or (300) says; 12.5% is 12.5. */
function formattedNumber(text, decimal, thousands) {
  const found = numberPattern(decimal, thousands).exec(text)?.groups;
  if (found) {
    const negative = Boolean(found.open ?? found.inner);
    const signs = [found.first, found.second, found.last].filter((sign) => sign);
    const paired = negative === Boolean(found.close) && !(found.open && found.inner);
    const oneCurrency = !(found.before && found.behind);
    const digits = found.number.replace(RegExp(separator(thousands), "g"), "").replace(decimal, ".");
    if (paired && oneCurrency && signs.length + negative <= 1 && /[0-9]/.test(digits)) {
      return negative || signs.includes("-") || signs.includes("−") ? -Number(digits) : Number(digits);
    }
  }
  throw new CellError(`expected a number written as 1${thousands}000${decimal}5, found '${text}'`);
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");

function separator(thousands) {
  return { "": "(?!)", " ": GAP, "'": "['’]" }[thousands] ?? escaped(thousands);
}

function numberPattern(decimal, thousands) {
  const apart = separator(thousands);
  const point = `${escaped(decimal)}[0-9]*`;
  // Groups of three digits, or of two before the last, as in India.
  const groups = `[1-9][0-9]{0,2}(?:(?:${apart}[0-9]{3})+|(?:${apart}[0-9]{2})+${apart}[0-9]{3})`;
  const plain = `(?:0|[1-9][0-9]*)?(?:${point})?(?:[eE][+-]?[0-9]+)?`;
  const money = CURRENCIES.map(escaped).join("|");
  return RegExp(
    `^(?<open>\\()?(?<first>${SIGN})?${GAP}*(?<before>${money})?${GAP}*(?<second>${SIGN})?(?<inner>\\()?` +
      `(?<number>${groups}(?:${point})?|${plain})` +
      `${GAP}*(?:%|(?<behind>${money})${GAP}*)?(?<last>${SIGN})?(?<close>\\))?$`,
  );
}

/** Returns the days since 1970 and the seconds of the day, in UTC, of a time in the column's format, or in ISO 8601. */
function daysAndSeconds(cell, about) {
  const text = String(cell);
  const found = about.format === null ? ISO.exec(text)?.groups : scan(text, about.format);
  const micros = found ? since1970(found) : null;
  if (micros === null) {
    const wanted = about.format === null ? "as ISO 8601, such as 2013-01-31T08:30:00Z" : `as ${about.format}`;
    throw new CellError(`expected a time written ${wanted}, found '${text}'`);
  }
  const rest = ((micros % MICROSECONDS_PER_DAY) + MICROSECONDS_PER_DAY) % MICROSECONDS_PER_DAY;
  return [Number((micros - rest) / MICROSECONDS_PER_DAY), Number(rest) / 1e6];
}

/** Returns what stands for each directive of a format; null if the text is written otherwise. */
function scan(text, format) {
  const found = {};
  let position = 0;
  for (const [, directive, literal] of format.matchAll(/%(.)|(.)/gsu)) {
    const wanted = directive ? DIRECTIVES[directive] : literal === " " ? " +" : escaped(literal);
    const pattern = RegExp(wanted, "y");
    pattern.lastIndex = position;
    const matched = pattern.exec(text);
    if (!matched) return null;
    if (directive) found[directive] = matched[0];
    position = pattern.lastIndex;
  }
  return position === text.length ? found : null;
}

/** Returns the microseconds since 1970 by what stands for the directives; null if there is no such time. */
function since1970(found) {
  if (found.s !== undefined) return epoch(found.s, 6);
  if (found.Q !== undefined) return epoch(found.Q, 3);
  const short = Number(found.y);
  const year = found.Y !== undefined ? Number(found.Y) : short + (short >= 69 ? 1900 : 2000);
  const [month, day, minute, second] = [monthOf(found), Number(found.d ?? 1), Number(found.M ?? 0), Number(found.S ?? 0)];
  const of12 = found.I === undefined ? null : Number(found.I);
  const afternoon = found.p?.toLowerCase() === "pm" ? 12 : 0;
  const hour = of12 === null ? Number(found.H ?? 0) : (of12 % 12) + afternoon;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const isDate = year >= 1 && month >= 1 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (!isDate || of12 === 0 || of12 > 12 || (of12 !== null && !found.p)) return null;
  if (hour > 23 || minute > 59 || second > 59) return null;
  const seconds = date.getTime() / 1000 + 3600 * hour + 60 * minute + second - offset(found.z ?? "Z");
  return BigInt(seconds) * 1_000_000n + BigInt((found.f ?? "").slice(0, 6).padEnd(6, "0"));
}

/** Returns the microseconds of so many seconds (`digits`: 6) or milliseconds (3). */
function epoch(text, digits) {
  const [whole, fraction = ""] = text.replace("-", "").split(".");
  const micros = BigInt(whole + fraction.slice(0, digits).padEnd(digits, "0"));
  return text.startsWith("-") ? -micros : micros;
}

/** Returns the month from 1; 0 if there is none of that name. */
function monthOf(found) {
  const name = (found.b ?? found.B ?? "").toLowerCase();
  if (name === "") return Number(found.m ?? 1);
  const known = name === "sept" ? "sep" : name;
  return 1 + MONTHS.findIndex((month) => month === known || month.slice(0, 3) === known);
}

/** Returns the seconds that a zone such as +01:00 is ahead of UTC. */
function offset(zone) {
  if (zone === "Z") return 0;
  const ahead = 3600 * Number(zone.slice(1, 3)) + 60 * Number(zone.slice(-2));
  return zone.startsWith("-") ? -ahead : ahead;
}

/** Returns the values of a delimited cell, or with no delimiter the words of a text. */
function values(text, delimiter) {
  if (delimiter === "") return text.toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  return text.split(delimiter).map((part) => part.replace(WIDE_SPACES, "")).filter((part) => part !== "");
}

if (typeof module === "object") module.exports = { CellError, modelValue };
