// A person at a browser: opens the start page, signs in, downloads a feed, signs out. One JSON line a check on stdout.
// usage: node browser.mjs FOLDER_WITH_NODE_MODULES '{"chromium","web_url","feed_url","name","password","screenshot"}'
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const require = createRequire(path.resolve(process.argv[2], "package.json"));
const { chromium } = require("playwright-core");
const given = JSON.parse(process.argv[3]);

const check = (what, holds, seen = "") => console.log(JSON.stringify({ what, holds: Boolean(holds), seen: String(seen).slice(0, 500) }));
const strangers = new Set();
const complaints = [];

const browser = await chromium.launch({ executablePath: given.chromium, args: ["--no-sandbox"] });
try {
  const context = await browser.newContext({ acceptDownloads: true, viewport: { width: 1200, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith("http") && url.host !== new URL(given.web_url).host) strangers.add(url.host);
  });
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));

  const first = await page.goto(given.web_url);
  check("the start page answers 200", first.status() === 200, first.status());
  check("the start page has a title", /kalends/i.test(await page.title()), await page.title());
  const text = await page.locator("body").innerText();
  for (const word of ["CalDAV", "API", "feed"]) check(`the start page tells where ${word} is`, text.toLowerCase().includes(word.toLowerCase()), text);
  check("every field has a label", (await page.locator("input:not([type=hidden]):not([type=submit])").evaluateAll((fields) => fields.every((field) => field.labels?.length || field.ariaLabel))) === true);

  const signIn = async (name, password) => {
    await page.locator("input[type=text], input[type=email], input:not([type])").first().fill(name);
    await page.locator("input[type=password]").first().fill(password);
    await page.locator("input[type=password]").first().press("Enter");
    await page.waitForLoadState("networkidle");
  };
  complaints.length = 0;
  await signIn(given.name, "not the password");
  check("a wrong password is refused and asked for again", (await page.locator("input[type=password]").count()) === 1, await page.locator("body").innerText());
  complaints.length = 0; // the browser itself logs the 401 or 403 of the refusal
  await signIn(given.name, given.password);
  const inside = await page.locator("body").innerText();
  check("signed in, the page greets the user", inside.includes(given.name) && (await page.locator("input[type=password]").count()) === 0, inside);
  const cookies = await context.cookies();
  check("the session cookie is HttpOnly and SameSite", cookies.some((cookie) => cookie.httpOnly && cookie.sameSite !== "None"), JSON.stringify(cookies.map(({ name, httpOnly, sameSite }) => ({ name, httpOnly, sameSite }))));
  await page.screenshot({ path: given.screenshot, fullPage: true });
  check("a screenshot was taken", fs.statSync(given.screenshot).size > 5_000);

  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.evaluate((url) => {
      const link = document.createElement("a");
      link.href = url;
      document.body.append(link);
      link.click();
    }, given.feed_url),
  ]);
  const feed = fs.readFileSync(await download.path(), "utf8");
  check("the feed downloads as an .ics file", download.suggestedFilename().endsWith(".ics"), download.suggestedFilename());
  check("the feed holds a calendar with events", feed.startsWith("BEGIN:VCALENDAR\r\n") && feed.includes("BEGIN:VEVENT\r\n"), feed.slice(0, 300));

  const out = page.getByRole("button", { name: /sign out|log out/i }).or(page.getByRole("link", { name: /sign out|log out/i })).first();
  await out.click();
  await page.waitForLoadState("networkidle");
  await page.goto(given.web_url);
  check("signed out, the page asks for a password again", (await page.locator("input[type=password]").count()) === 1);
  check("nothing is fetched from elsewhere", strangers.size === 0, [...strangers].join(" "));
  check("the console shows no error", complaints.length === 0, complaints.join("; "));
} catch (error) {
  check("the visit ends well", false, error);
} finally {
  await browser.close();
}
