/** Makes this browser a contact method: pages arrive in it even when the console is closed. */

const HOOK = "/hooks/channels/web-push";

/** What became of it, in words for the person. */
export interface Registered {
  done: boolean;
  text: string;
}

/** Whether this browser can receive pages at all: on iOS only the installed app can. */
export function canReceivePages(): boolean {
  return "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
}

/** Subscribe, and register with the code of the contact method. Throws an Error whose message is for the person. */
export async function receivePagesHere(code: string): Promise<Registered> {
  if (!canReceivePages()) throw new Error("This browser cannot receive pages. On a phone, install the console as an app first.");
  if ((await Notification.requestPermission()) !== "granted") throw new Error("The browser may not show pages. Allow it in its settings for this site.");
  const worker = await navigator.serviceWorker.register("/push-worker.js");
  const subscription = await subscribe(worker, await serverKey());
  const answer = await fetch(`${HOOK}/subscription`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ code, subscription: subscription.toJSON() }),
  });
  if (!answer.ok && answer.status !== 409) throw new Error("Tocsin did not take the subscription. Try again.");
  return (await answer.json()) as Registered;
}

/** A browser keeps one subscription; one made with another key of the platform is of no use any more. */
async function subscribe(worker: ServiceWorkerRegistration, key: Uint8Array<ArrayBuffer>): Promise<PushSubscription> {
  const old = await worker.pushManager.getSubscription();
  if (old !== null && !sameKey(old, key)) await old.unsubscribe();
  return worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
}

function sameKey(subscription: PushSubscription, key: Uint8Array): boolean {
  const used = new Uint8Array(subscription.options.applicationServerKey ?? new ArrayBuffer(0));
  return used.length === key.length && used.every((byte, index) => byte === key[index]);
}

async function serverKey(): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await fetch(`${HOOK}/key`);
  if (!answer.ok) throw new Error("Web Push is not set up here. Ask whoever runs Tocsin to set TOCSIN_WEB_PUSH_KEY_FILE.");
  const { key } = (await answer.json()) as { key: string };
  return bytesOf(key);
}

/** From base64url without padding. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
}
