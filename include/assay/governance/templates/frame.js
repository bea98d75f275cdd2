// Inside the orchestrator's frame a link to the orchestrator's own page must leave the frame, which
// the frame's sandbox forbids to this document but not to the one around it.
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[target="_top"]');
  if (!link || window.parent === window || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const outside = window.parent.document.createElement("a");
  outside.href = link.href;
  outside.click();
});
