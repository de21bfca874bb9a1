/** Money: an integer number of fen inside, yuan only where people read and write it. No fractions anywhere. */

/** ¥1,234.56 of 123456 fen. */
export function yuan(fen) {
  const text = String(fen < 0 ? -fen : fen).padStart(3, "0");
  const whole = text.slice(0, -2).replace(/\B(?=(\d{3})+$)/g, ",");
  return `${fen < 0 ? "−" : ""}¥${whole}.${text.slice(-2)}`;
}

/** 1234.56 of 123456 fen, as it stands in a field. */
export function plainYuan(fen) {
  const text = String(fen).padStart(3, "0");
  return `${text.slice(0, -2)}.${text.slice(-2)}`;
}

/** Fen of what somebody typed ("12", "12.5", "¥1,200.00"), null when it is no amount of money. */
export function fenOf(typed) {
  const match = /^¥?(\d{1,14})(?:\.(\d{0,2}))?$/.exec(typed.trim().replace(/[,，\s]/g, "").replace("￥", "¥"));
  if (!match) return null;
  const fen = Number(match[1] + (match[2] ?? "").padEnd(2, "0"));
  return Number.isSafeInteger(fen) ? fen : null;
}
