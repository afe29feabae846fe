/** Two lines or so: what is longer is cut after a comma, or at a space. */
const MOST = 110;

/** The first sentence of a text, or the beginning of a long one, and the rest of it. */
export function beginning(text: string): [first: string, rest: string] {
  const all = text.trim().replace(/\s+/g, ' ');
  const sentence = /^.*?[.!?](?= )/.exec(all)?.[0] ?? all;
  if (sentence.length <= MOST) return [sentence, all.slice(sentence.length).trim()];
  const comma = Math.max(...[', ', ': ', '; '].map((mark) => all.lastIndexOf(mark, MOST - 1))) + 1;
  const space = all.lastIndexOf(' ', MOST);
  const cut = comma > MOST / 2 ? comma : space > 0 ? space : MOST;
  return [`${all.slice(0, cut)} …`, `… ${all.slice(cut).trim()}`];
}
