// Shows pages that arrive by Web Push, says that it did, and takes answers. Self-contained: it runs without the console being open.

self.addEventListener("push", (event) => {
  const page = event.data?.json();
  if (page) event.waitUntil(show(page));
});

self.addEventListener("notificationclick", (event) => {
  const page = event.notification.data;
  const answer = { acknowledge: page.acknowledge_url, escalate: page.escalate_url }[event.action];
  event.notification.close();
  event.waitUntil(answer ? take(page, answer, event.action) : open(page));
});

// A browser must show something for every push; an edit has the tag of the first and takes its place without a sound.
async function show(page) {
  const actions = [];
  if (page.acknowledge_url) actions.push({ action: "acknowledge", title: "Acknowledge" });
  if (page.escalate_url) actions.push({ action: "escalate", title: "Ask the next one" });
  await self.registration.showNotification(page.title, {
    body: page.body,
    tag: page.tag,
    icon: "/bell.svg",
    silent: !page.loud,
    renotify: page.loud,
    requireInteraction: page.loud,
    data: page,
    actions,
  });
  await tell(page, "shown");
}

// What could not be sent is shown again: nobody may believe that they have answered when they have not.
async function take(page, url, action) {
  await tell(page, "opened");
  const answered = await fetch(ours(url), { method: "POST", credentials: "omit" }).catch(() => undefined);
  if (answered?.ok || answered?.status === 409) return;
  const failed = action === "acknowledge" ? "Not acknowledged" : "Nobody else was asked";
  await self.registration.showNotification(`${failed}: ${page.title}`, {
    body: "Tocsin could not be reached. Tap to open it and try again.",
    tag: page.tag,
    icon: "/bell.svg",
    requireInteraction: true,
    data: page,
  });
}

async function open(page) {
  await tell(page, "opened");
  await self.clients.openWindow(ours(page.acknowledge_url || page.url || "/"));
}

async function tell(page, what) {
  const body = JSON.stringify({ page: page.page, proof: page.proof });
  const headers = { "content-type": "application/json" };
  await fetch(`${ours(page.receipts)}${what}`, { method: "POST", headers, body, credentials: "omit" }).catch(() => undefined);
}

// The worker serves the origin that it came from, whatever name the platform has for itself.
function ours(url) {
  const parts = new URL(url, self.location.origin);
  return `${self.location.origin}${parts.pathname}${parts.search}`;
}
