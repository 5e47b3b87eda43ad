// Looks at the status page in Chromium, for one rule; exits with 1, and says why, when the page does not keep it.
// node look.mjs RULE URL FOLDER
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const [rule, url, folder] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SAMPLES = ["well", "single", "shared", "wrong", "unsure", "empty", "not-connected", "twenty"];
const PHONE = { width: 390, height: 844 };
const DESK = { width: 1280, height: 900 };
const LIMIT = 20_000;
const ALL = 300_000;

setTimeout(() => {
  console.error(`it took longer than ${ALL / 1000} s`);
  process.exit(1);
}, ALL).unref();

const CHROMIUM = "/usr/bin/chromium";
if (!existsSync(CHROMIUM)) throw new Error(`${CHROMIUM} is not here: apt-get install chromium`);
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--disable-gpu"], timeout: LIMIT });

// A page of a sample; what its console says, as of a policy that does not allow something, is an error.
const open = async (sample, options = {}) => {
  const context = await browser.newContext({ viewport: PHONE, ...options });
  context.setDefaultTimeout(LIMIT);
  const page = await context.newPage();
  page.said = [];
  page.on("console", (message) => page.said.push(message.text()));
  page.on("pageerror", (error) => page.said.push(String(error)));
  page.on("dialog", (dialog) => page.said.push("a dialog: " + dialog.message()) && dialog.dismiss());
  page.on("request", (request) => {
    if (!request.url().startsWith(url)) page.said.push("asks " + request.url());
  });
  await page.goto(`${url}/${sample}/`);
  return page;
};

const isQuiet = (page) => assert.deepEqual(page.said, []);

const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

const unfold = (page) => page.evaluate(() => document.querySelectorAll("details").forEach((it) => (it.open = true)));

// Violations that keep a person from reading the page.
const violations = async (page) => {
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  const of = ({ id, impact, nodes }) => `${impact} ${id}: ${nodes[0].html.slice(0, 200)}: ${nodes[0].failureSummary}`;
  return found.violations.filter(({ impact }) => ["serious", "critical"].includes(impact)).map(of);
};

const turn = async (sample) => Number(await (await fetch(`${url}/turn/${sample}`)).text());

const headline = (page, text) => page.waitForFunction((text) => document.querySelector("h1").textContent === text, text);

// The page's stream of events is open, once something that is sent over it comes.
const connected = async (page) => {
  const end = Date.now() + LIMIT;
  while ((await turn("well")) === 0) assert.ok(Date.now() < end, "the page has not asked for events");
  await headline(page, "All is well");
};

const rules = {
  async accessible() {
    for (const sample of SAMPLES) {
      for (const [width, viewport] of [[390, PHONE], [1280, DESK]]) {
        for (const colorScheme of ["light", "dark"]) {
          const page = await open(sample, { viewport, colorScheme });
          const name = [sample, width, colorScheme].join("-");
          await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
          await unfold(page);
          if (sample === "wrong") await page.screenshot({ path: join(folder, `${name}-unfolded.png`), fullPage: true });
          assert.ok((await overflow(page)) <= 0, `${name} is wider than the screen`);
          if (width === 390 || sample === "wrong") assert.deepEqual(await violations(page), [], name);
          isQuiet(page);
          await page.context().close();
        }
      }
    }
  },

  async "without-javascript"() {
    const page = await open("wrong", { javaScriptEnabled: false });
    for (const text of ["3 things", "reload for news", "enter its PIN", "Not connected", "7654321", "median"]) {
      assert.ok((await page.content()).includes(text), `${text} is not there`);
    }
    await page.screenshot({ path: join(folder, "without-javascript.png"), fullPage: true });
    isQuiet(page);
  },

  async live() {
    const page = await open("well");
    await connected(page);
    await page.locator("summary").first().click();
    await page.evaluate(() => scrollTo(0, 300));
    await page.evaluate(() => (window.seen = document.querySelector("h1")));
    const at = await page.evaluate(() => scrollY);
    await turn("single");
    await page.waitForFunction(() => document.querySelectorAll("article").length === 1);
    const kept = await page.evaluate(() => ({
      at: scrollY,
      focus: document.activeElement.nodeName,
      isOpen: document.querySelector("details").open,
      // What is read out when it changes has to be the same element.
      isSame: window.seen === document.querySelector("h1"),
    }));
    assert.deepEqual(kept, { at, focus: "SUMMARY", isOpen: true, isSame: true });
    await turn("wrong");
    await page.waitForFunction(() => document.title.includes("things are wrong"));
    assert.equal(await page.locator("article").count(), 4);
    isQuiet(page);
  },

  async old() {
    const page = await open("well");
    await page.clock.install();
    await page.reload();
    await connected(page);
    const notice = page.locator("#old");
    assert.equal(await notice.isVisible(), false);
    await turn("off");
    await page.clock.fastForward(7000);
    await page.screenshot({ path: join(folder, "old.png") });
    assert.match(await notice.textContent(), /old.*since 00:53:20\sUTC/);
    assert.equal(await notice.isVisible(), true);
    assert.match(await page.title(), /Not heard/);
    await turn("well");
    await page.clock.fastForward(7000);
    await connected(page);
    await notice.waitFor({ state: "hidden" });
  },

  async hostile() {
    const page = await open("hostile");
    await unfold(page);
    await page.screenshot({ path: join(folder, "hostile.png") });
    assert.ok((await overflow(page)) <= 0, "it is wider than the screen");
    assert.equal(await page.locator("img, main script, main style").count(), 0);
    assert.match(await page.title(), /wrong · Peel/);
    assert.ok((await page.evaluate(() => document.querySelectorAll("*").length)) < 20_000);
    await connected(page);
    await turn("hostile");
    await page.waitForFunction(() => document.title.includes("wrong · Peel"));
    assert.equal(await page.locator("img, main script, main style").count(), 0);
    isQuiet(page);
  },
};

try {
  await rules[rule]();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await browser.close();
}
