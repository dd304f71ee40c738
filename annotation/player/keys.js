// Plain keys, anywhere on the page, but never while somebody types or a dialog is open.

const WRITING = "input:not([type=range]):not([type=checkbox]):not([type=radio]),textarea,select,[contenteditable=true]";
const OWN_ARROWS = "input,[role=slider],[role=radio],[role=tab],[role=option],[role=combobox],[role=menuitem]";
const OWN_SPACE = "button,a[href],summary,input,[role=button],[role=checkbox],[role=switch],[role=tab],[role=radio]";

// The name of the key if the page may have it, else null.
function plainKey(event) {
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return null;
  const target = event.composedPath()[0];
  const has = (selector) => target instanceof Element && target.closest(selector) !== null;
  if (has(WRITING) || document.querySelector("[role=dialog],[role=listbox]")) return null;
  if (/^(Arrow|Home|End)/.test(event.key) && has(OWN_ARROWS)) return null;
  if (/^( |Enter)$/.test(event.key) && has(OWN_SPACE)) return null;
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}
