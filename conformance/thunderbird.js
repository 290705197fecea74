// What a person does in Thunderbird, as functions that thunderbird.py runs inside it (Marionette, chrome context): the dialogs are
// those that the person sees, the items go through the calendar manager as the views' own do.
/* eslint-disable no-unused-vars */

const { cal } = ChromeUtils.importESModule("resource:///modules/calendar/calUtils.sys.mjs");
const { CalIcsParser } = ChromeUtils.importESModule("resource:///modules/CalIcsParser.sys.mjs");

const MAIN = "mail:3pane";
const WIZARD = "chrome://calendar/content/calendar-creation.xhtml";
const PROMPT = "chrome://global/content/commonDialog.xhtml";
const EDITOR = "chrome://calendar/content/calendar-event-dialog.xhtml";
const CONFLICT = "chrome://calendar/content/calendar-conflicts-dialog.xhtml";

const windowOf = url => [...Services.wm.getEnumerator(null)].find(each => each.document.documentURI.startsWith(url));
const mainWindow = () => Services.wm.getMostRecentWindow(MAIN);

// The program

function version() {
  return `${Services.appinfo.name} ${Services.appinfo.version}`;
}

function ready() {
  return Boolean(mainWindow()?.document.readyState == "complete" && cal.manager && mainWindow().document.getElementById("tabmail")?.currentTabInfo);
}

// "New calendar, on the network"

function openWizard() {
  cal.window.openCalendarWizard(mainWindow());
}

function wizardIsOpen() {
  const dialog = windowOf(WIZARD);
  return Boolean(dialog && dialog.document.readyState == "complete" && dialog.document.getElementById("calendar-creation-dialog")?.getButton);
}

function press(name) {
  const dialog = windowOf(WIZARD);
  // Not before this call is over: a prompt that it opens waits for a person.
  dialog.setTimeout(() => dialog.document.getElementById("calendar-creation-dialog").getButton(name).click(), 0);
}

function chooseNetwork() {
  windowOf(WIZARD).document.getElementById("calendar-type").value = "network";
  press("accept");
}

function findCalendars(user, location) {
  const { document, Event } = windowOf(WIZARD);
  for (const [id, text] of [["network-username-input", user], ["network-location-input", location]]) {
    const input = document.getElementById(id);
    input.value = text;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
  press("accept");
}

function wizardPanel() {
  const dialog = windowOf(WIZARD)?.document.getElementById("calendar-creation-dialog");
  return dialog && [...dialog.children].find(panel => !panel.hidden)?.id;
}

function wizardStatus() {
  return windowOf(WIZARD)?.document.querySelector(".network-status-row")?.getAttribute("status");
}

function prompt() {
  const dialog = windowOf(PROMPT);
  if (!dialog || !dialog.Dialog?.ui?.button0) {
    return null;
  }
  return { text: dialog.Dialog.args.text, type: dialog.Dialog.args.promptType };
}

function answerPassword(password) {
  const { Dialog, setTimeout } = windowOf(PROMPT);
  Dialog.ui.password1Textbox.value = password;
  if (Dialog.ui.checkbox) {
    Dialog.ui.checkbox.checked = true;
    Dialog.onCheckbox?.();
  }
  setTimeout(() => Dialog.ui.button0.click(), 0);
}

function found() {
  const list = windowOf(WIZARD)?.document.getElementById("network-calendar-list");
  return list ? [...list.children].map(item => ({ name: item.calendar.name, uri: item.calendar.uri.spec, type: item.calendar.type })) : [];
}

async function logins() {
  return (await Services.logins.getAllLogins()).map(({ origin, httpRealm, username }) => ({ origin, httpRealm, username }));
}

// Only the search that the dialog makes: type of calendar → addresses, or the name of the error.
async function detect(user, password, location) {
  try {
    const results = await cal.provider.detection.detect(user, password, location, false, [], {});
    return Object.fromEntries([...results].map(([provider, each]) => [provider.type, each.map(calendar => calendar.uri.spec)]));
  } catch (error) {
    return error.name;
  }
}

// Calendars and items

const named = name => {
  const calendar = cal.manager.getCalendars().find(each => each.name == name);
  if (!calendar) {
    throw new Error(`no calendar named ${name}`);
  }
  return calendar;
};

function calendars() {
  return cal.manager.getCalendars().map(each => ({
    name: each.name,
    uri: each.uri.spec,
    type: each.type,
    readOnly: each.readOnly,
    disabled: Boolean(each.getProperty("disabled")),
    failed: Boolean(each.getProperty("currentStatus") && !Components.isSuccessCode(each.getProperty("currentStatus"))),
    cached: Boolean(each.getProperty("cache.enabled")),
    color: each.getProperty("color"),
    events: each.getProperty("capabilities.events.supported") !== false,
    tasks: each.getProperty("capabilities.tasks.supported") !== false,
  }));
}

async function refresh(name) {
  await named(name).refresh();
}

async function items(name) {
  const all = await named(name).getItemsAsArray(Ci.calICalendar.ITEM_FILTER_ALL_ITEMS, 0, null, null);
  return all.map(item => ({ uid: item.id, title: item.title, ics: item.icalString }));
}

// What a view shows between two days: the occurrences, each with its own title and time.
async function occurrences(name, from, to) {
  const filter = Ci.calICalendar.ITEM_FILTER_TYPE_EVENT | Ci.calICalendar.ITEM_FILTER_CLASS_OCCURRENCES;
  const shown = await named(name).getItemsAsArray(filter, 0, cal.createDateTime(from), cal.createDateTime(to));
  return shown.map(item => `${item.startDate.getInTimezone(cal.dtz.UTC).icalString} ${item.title}`).sort();
}

async function add(name, ics) {
  const parser = new CalIcsParser();
  parser.parseString(ics);
  const [item] = parser.getItems();
  return (await named(name).addItem(item)).id;
}

async function one(name, uid, instance) {
  const item = await named(name).getItem(uid);
  if (!item) {
    throw new Error(`no item ${uid} in ${name}`);
  }
  return instance ? item.recurrenceInfo.getOccurrenceFor(instantOf(instance, item)) : item;
}

function instantOf(instance, item) {
  const when = cal.createDateTime(instance);
  when.timezone = item.startDate.timezone;
  return when;
}

function change(item, changes) {
  for (const [property, value] of Object.entries(changes)) {
    if (property == "hoursLater") {
      const by = cal.createDuration(`PT${value}H`);
      for (const end of ["startDate", "endDate"]) {
        const moved = item[end].clone();
        moved.addDuration(by);
        item[end] = moved;
      }
    } else if (property == "completed") {
      item.isCompleted = value;
    } else if (property == "title") {
      item.title = value;
    } else {
      item.setProperty(property, value);
    }
  }
}

// The whole item, or one instance of it as "this occurrence only".
async function modify(name, uid, changes, instance) {
  const old = await one(name, uid, instance);
  const item = old.clone();
  change(item, changes);
  await named(name).modifyItem(item, old);
}

async function removeInstance(name, uid, instance) {
  const old = await one(name, uid);
  const item = old.clone();
  item.recurrenceInfo.removeOccurrenceAt(instantOf(instance, item));
  await named(name).modifyItem(item, old);
}

async function remove(name, uid) {
  await named(name).deleteItem(await one(name, uid));
}

// The same without waiting: a person is going to be asked.
function beginModify(name, uid, changes) {
  mainWindow().setTimeout(() => modify(name, uid, changes), 0);
}

function conflict() {
  const dialog = windowOf(CONFLICT)?.document.querySelector("dialog");
  return Boolean(dialog?.getButton?.("accept"));
}

// "accept" is to overwrite what the server has, "cancel" to take it.
function answerConflict(button) {
  const dialog = windowOf(CONFLICT);
  dialog.setTimeout(() => dialog.document.querySelector("dialog").getButton(button).click(), 0);
}

function offline(wanted) {
  Services.io.offline = wanted;
}

// The calendar tab

async function showMonth(day) {
  const window = mainWindow();
  window.document.getElementById("tabmail").openTab("calendar", {});
  await window.switchToView("month");
  window.currentView().goToDay(cal.createDateTime(day));
}

function shown() {
  const boxes = mainWindow().currentView().querySelectorAll("calendar-month-day-box-item");
  return [...boxes].map(box => box.querySelector(".event-name-label").textContent).sort();
}

// The event's own window

function openNew(name, from, to, title) {
  const [start, end] = [from, to].map(text => {
    const when = cal.createDateTime(text);
    when.timezone = cal.dtz.defaultTimezone;
    return when;
  });
  mainWindow().createEventWithDialog(named(name), start, end, title, null, false);
}

async function openToEdit(name, uid) {
  mainWindow().modifyEventWithDialog(await one(name, uid), false);
}

const titleField = () => windowOf(EDITOR)?.document.getElementById("calendar-item-panel-iframe")?.contentDocument?.getElementById("item-title");

// What the window has as the title, once it is filled in.
function editorTitle() {
  return titleField()?.value || null;
}

function saveAndClose(title) {
  const dialog = windowOf(EDITOR);
  const field = titleField();
  field.value = title;
  field.dispatchEvent(new dialog.Event("input", { bubbles: true }));
  dialog.setTimeout(() => dialog.document.getElementById("button-saveandclose").click(), 0);
}

function editorIsClosed() {
  return !windowOf(EDITOR);
}

// The delete key on what is selected in the view.
async function deleteSelected(name, uid) {
  const window = mainWindow();
  window.currentView().setSelectedItems([await one(name, uid)], true);
  window.deleteSelectedEvents();
}
