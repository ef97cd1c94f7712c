// Shows answers as they come: one request for each form that asks for one, line by line of JSON, and only ever as text.
for (const form of document.querySelectorAll("form[data-answer]")) {
  ask(form).catch((error) => end(form, "the connection broke: " + error.message, true));
}

async function ask(form) {
  const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  if (!answer.ok || answer.headers.get("content-type") !== "application/x-ndjson") {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    end(form, page.querySelector(".message")?.textContent ?? "the server refused it (" + answer.status + ")", true);
    return;
  }
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    lines.forEach((line) => show(form, JSON.parse(line)));
  }
  if (!form.dataset.ended) end(form, "the answer broke off", true);
}

function show(form, said) {
  const card = form.closest("article");
  if (said.text) card.querySelector(".text").append(said.text);
  if (said.thought) {
    card.querySelector(".thoughts").hidden = false;
    card.querySelector(".thoughts .said").append(said.thought);
  }
  if (said.error) end(form, said.error, true);
  if (said.done) {
    const { seconds, input, output, cost, served, finish } = said.done;
    const tokens = output === null ? [] : [input + " in, " + output + " out"];
    const money = cost === null ? [] : ["$" + cost];
    end(form, [seconds + " s", ...tokens, ...money, finish, served].join(" · "), false);
  }
}

function end(form, words, failed) {
  form.dataset.ended = "yes";
  const meta = form.closest("article").querySelector(".meta");
  meta.textContent = words;
  meta.classList.toggle("bad", failed);
}
