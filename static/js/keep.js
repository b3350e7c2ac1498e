// What was typed into a form[data-keep] and not sent stays with this browser: another form of the page may be sent first,
// or the page closed and opened later. A draft goes once the server has the same text. Passwords and files are left alone.
(() => {
  const FIELDS = "input[type=text], input[type=radio]:checked, input:not([type]), textarea, select";
  const key = (form, field) => `keep ${location.pathname} ${form.dataset.keep} ${field.name}`;
  const store = (form, field) => {
    try { localStorage.setItem(key(form, field), field.value); } catch { /* no room, or not allowed: nothing is kept */ }
  };
  const given = (form, field) => {
    if (field.type === "radio") return form.querySelector(`input[name="${field.name}"][checked]`)?.value ?? "";
    if (field.tagName === "SELECT") return [...field.options].find((each) => each.defaultSelected)?.value ?? field.options[0]?.value ?? "";
    return field.defaultValue;
  };

  for (const form of document.querySelectorAll("form[data-keep]")) {
    for (const field of form.querySelectorAll("input[type=text], input[type=radio], input:not([type]), textarea, select")) {
      const draft = localStorage.getItem(key(form, field));
      if (draft === null) continue;
      if (draft.trim() === given(form, field).trim()) localStorage.removeItem(key(form, field));
      else if (field.type === "radio") field.checked = field.value === draft;
      else field.value = draft;
    }
    form.addEventListener("input", (event) => {
      if (event.target.matches(FIELDS)) store(form, event.target);
    });
  }
})();
