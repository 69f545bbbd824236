// Pictures that are dropped on the page, or pasted into it.
import { $ } from "/elements.js";

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");

export const beginDropping = (search) => {
  let inside = 0; // elements that the dragged files have entered and not left
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
    if (file) { event.preventDefault(); $("detail").close(); search(file); }
  });
  addEventListener("dragenter", (event) => { if (hasFiles(event)) { inside += 1; $("drop").hidden = false; } });
  addEventListener("dragleave", (event) => { if (hasFiles(event) && (inside -= 1) <= 0) { inside = 0; $("drop").hidden = true; } });
  addEventListener("dragover", (event) => { if (hasFiles(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    inside = 0;
    $("drop").hidden = true;
    if (!hasFiles(event)) return;
    event.preventDefault();
    $("detail").close();
    search(event.dataTransfer.files[0]);
  });
};
