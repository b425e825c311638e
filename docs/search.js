// A message that is pasted into the search may begin with an option: "--keep names columns". The search
// would read the dashes as an operator and find nothing.
document.addEventListener("input", (event) => {
  const field = event.target;
  if (!field.matches("[data-md-component=search-query]")) return;
  const plain = field.value.replace(/(^|\s)[-+]+(?=\S)/g, "$1");
  if (plain !== field.value) field.value = plain;
}, true);
