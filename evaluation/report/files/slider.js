for (const range of document.querySelectorAll(".compare input"))
  range.addEventListener("input", () => range.closest(".compare").style.setProperty("--cut", range.value + "%"));
