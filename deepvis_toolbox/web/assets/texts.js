// Writes what is text as text, for those who copy it or have it read to them.

const part = (id) => document.getElementById(id);

function set(id, text) {
  const element = part(id);
  if (element.textContent !== text) element.textContent = text;
}

export function veil(text) {
  part("veil").classList.toggle("gone", !text);
  set("veiled", text);
}

let noticeEnds = 0;

// A sentence of the page's own; it goes by itself.
export function notice(text) {
  clearTimeout(noticeEnds);
  set("notice", text);
  part("notice").hidden = !text;
  noticeEnds = setTimeout(() => (part("notice").hidden = true), 8000);
}

export function write(content) {
  set("unit", content.unit || "Deep Visualization Toolbox");
  set("name", content.name);
  set("message", content.message);
  set("error", content.error);
  part("stage").dataset.typing = content.typing;
}

export function writeStatus(content) {
  part("classes").replaceChildren(
    ...content.classes.map(([name, share]) => {
      const item = document.createElement("li");
      const number = document.createElement("span");
      number.textContent = share;
      item.append(number, name);
      return item;
    }),
  );
  part("status").replaceChildren(
    ...content.status.flatMap(([label, value]) => {
      const term = document.createElement("dt");
      const told = document.createElement("dd");
      term.textContent = label;
      told.textContent = value;
      return [term, told];
    }),
  );
}

export function writeKeys(groups) {
  part("keys").replaceChildren(
    ...groups.flatMap(({ group, keys }) => {
      const heading = document.createElement("h2");
      const list = document.createElement("dl");
      heading.textContent = group;
      for (const [label, sentence] of keys) {
        const term = document.createElement("dt");
        const told = document.createElement("dd");
        term.textContent = label;
        told.textContent = sentence;
        list.append(term, told);
      }
      return [heading, list];
    }),
  );
}

for (const [button, aside] of [["text", "beside"], ["help", "keys"]]) {
  part(button).addEventListener("click", () => {
    const opens = part(aside).hidden;
    for (const [other, its] of [["text", "beside"], ["help", "keys"]]) {
      const isOpen = opens && other === button;
      part(its).hidden = !isOpen;
      part(other).setAttribute("aria-expanded", String(isOpen));
    }
    part("stage").focus();
  });
}
