// A person who connects an account in a browser. One JSON line a check on stdout.
// usage: node sync_consent.mjs FOLDER_WITH_NODE_MODULES '{"chromium","base","users":{name: password}}'
import path from "node:path";
import { createRequire } from "node:module";

const require = createRequire(path.resolve(process.argv[2], "package.json"));
const { chromium } = require("playwright-core");
const given = JSON.parse(process.argv[3]);

const check = (what, holds, seen = "") => console.log(JSON.stringify({ what: `browser: ${what}`, holds: Boolean(holds), seen: String(seen).slice(0, 500) }));
const browser = await chromium.launch({ executablePath: given.chromium, args: ["--no-sandbox"] });

const person = async (name) => {
  const page = await (await browser.newContext({ viewport: { width: 1000, height: 900 } })).newPage();
  page.setDefaultTimeout(15_000);
  await page.goto(given.base + "/");
  await page.locator("input[type=text], input[type=email], input:not([type])").first().fill(name);
  await page.locator("input[type=password]").first().fill(given.users[name]);
  await page.locator("input[type=password]").first().press("Enter");
  await page.waitForLoadState("networkidle");
  return page;
};
const text = (page) => page.locator("body").innerText();
// At the provider's page: this account, without these scopes, this answer.
const consent = async (page, account, { untick = [], answer = "allow" } = {}) => {
  await page.locator(`input[name=account][value="${account}"]`).check();
  for (const scope of untick) await page.locator(`input[name=ticked][value$="${scope}"]`).uncheck();
  await Promise.all([page.waitForNavigation(), page.locator(`button[value=${answer}]`).click()]).catch(() => {});
};

try {
  const page = await person("ada");
  check("the start page leads to syncing", (await page.locator('a[href="/sync"]').count()) > 0, await text(page));
  await page.locator('a[href="/sync"]').first().click();
  await page.getByRole("link", { name: "Connect an account" }).click();
  await page.waitForLoadState();
  check("the provider asks", /Choose an account/.test(await text(page)) && new URL(page.url()).hostname === "localhost", page.url());

  await consent(page, "grace@example.com", { answer: "deny" });
  check("a person who cancels comes back and is told", page.url().startsWith(given.base) && /Nothing was connected/.test(await text(page)), await text(page));

  await page.getByRole("link", { name: "Connect an account" }).click();
  let callback = "";
  page.on("request", (request) => request.url().includes("/api/sync/google/callback?") && (callback = request.url()));
  await consent(page, "grace@example.com");
  check("consented, a calendar is chosen", /Choose a calendar/.test(await text(page)) && /grace@example.com/.test(await text(page)), page.url() + (await text(page)));
  await page.locator("#remote").selectOption("team@group.example.com");
  await page.locator("#calendar").selectOption("calendar");
  await page.locator("#direction").selectOption("both");
  await page.getByRole("button", { name: "Link" }).click();
  await page.waitForLoadState();
  check("and linked", page.url() === given.base + "/sync" && /Team/.test(await text(page)), await text(page));

  await page.goto(callback);
  check("a state works once", /used or over/.test(await text(page)), await text(page));

  // Another person's session cannot finish it, though the provider sends them back with all that it takes.
  const bob = await person("bob");
  const begun = await page.request.get(given.base + "/api/sync/google/connect", { maxRedirects: 0 });
  await bob.goto(begun.headers().location);
  await consent(bob, "private@example.com");
  check("another's session cannot finish a consent", bob.url().startsWith(given.base) && /used or over/.test(await text(bob)), bob.url() + (await text(bob)));

  // Too little is granted.
  await page.goto(given.base + "/sync");
  await page.getByRole("link", { name: "Connect an account" }).click();
  await consent(page, "ada@example.com", { untick: ["calendar.events"] });
  check("too little granted is said", /leave every box ticked/.test(await text(page)), await text(page));

  // From another machine: the provider sends the person to an address where nobody is; it is pasted.
  await page.goto(given.base + "/sync");
  const [tab] = await Promise.all([page.context().waitForEvent("page"), page.getByRole("link", { name: "consent in a new tab" }).click()]);
  await tab.waitForLoadState();
  let pasted = "";
  tab.on("request", (request) => /[?&]code=/.test(request.url()) && (pasted = request.url()));
  await tab.route(/[?&]code=/, (route) => route.abort());
  await consent(tab, "private@example.com");
  for (let turn = 0; turn < 50 && !pasted; turn++) await tab.waitForTimeout(100);
  check("the person ends at this very machine", /^http:\/\/127\.0\.0\.1/.test(pasted), pasted.slice(0, 60));
  await page.locator("#address").fill(pasted.slice(0, 40));
  await page.getByRole("button", { name: "Finish" }).click();
  await page.waitForLoadState();
  check("half an address is none", /not an address|whole address/.test(await text(page)), await text(page));
  await page.locator("#address").fill(pasted);
  await page.getByRole("button", { name: "Finish" }).click();
  await page.waitForLoadState();
  check("the pasted address connects", /Choose a calendar/.test(await text(page)) && /private@example.com/.test(await text(page)), await text(page));
} catch (error) {
  check("the visit ends well", false, error);
} finally {
  await browser.close();
}
