//! A page to read the OpenAPI document on: plain HTML written on the server, no script, nothing fetched from elsewhere.

use std::fmt::Write;

use serde_json::Value;
use utoipa::openapi::OpenApi;

use super::problem::Code;

/// The page's style.
pub(super) const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;\
    color:#1b1f24;background:#fff}code,pre{font:14px/1.45 ui-monospace,monospace}h2{margin-top:2.5rem}\
    details{border:1px solid #d0d7de;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}summary{cursor:pointer}\
    .verb{display:inline-block;min-width:4.5rem;font-weight:600}table{border-collapse:collapse;width:100%;margin:.5rem 0}\
    td,th{border-top:1px solid #d0d7de;padding:.25rem .5rem;text-align:left;vertical-align:top}\
    @media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}details,td,th{border-color:#30363d}a{color:#79c0ff}}\n";

const VERBS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The page.
pub(super) fn page(document: &OpenApi) -> String {
    let document = serde_json::to_value(document).unwrap_or_default();
    let mut html = String::with_capacity(64 * 1024);
    html.push_str(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Kalends API</title>\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <link rel=\"stylesheet\" href=\"/api/docs.css\"></head><body><h1>Kalends API</h1>\n",
    );
    paragraphs(&mut html, text(&document["info"]["description"]));
    html.push_str("<p>The same for programs: <a href=\"/api/openapi.json\">/api/openapi.json</a></p>\n");
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = text(&tag["name"]);
        let _ = writeln!(html, "<h2 id=\"{0}\">{0}</h2><p>{1}</p>", escape(name), escape(text(&tag["description"])));
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for verb in VERBS {
                let operation = &item[verb];
                if operation["tags"].as_array().is_some_and(|tags| tags.iter().any(|t| text(t) == name)) {
                    write_operation(&mut html, verb, path, operation);
                }
            }
        }
    }
    html.push_str("<h2 id=\"schemas\">Schemas</h2>\n");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let _ = write!(html, "<details id=\"schema-{0}\"><summary><code>{0}</code></summary>", escape(name));
        write_schema(&mut html, schema);
        html.push_str("</details>\n");
    }
    html.push_str("<h2 id=\"problems\">Problems</h2>\n<table><tr><th>Code<th>Status<th>Meaning</tr>\n");
    for code in Code::ALL {
        let (status, title) = (code.status().as_u16(), escape(code.title()));
        let _ =
            writeln!(html, "<tr id=\"problem-{0}\"><td><code>{0}</code><td>{status}<td>{title}</tr>", code.as_str());
    }
    html.push_str("</table></body></html>\n");
    html
}

fn write_operation(html: &mut String, verb: &str, path: &str, operation: &Value) {
    let _ = write!(
        html,
        "<details id=\"{}\"><summary><span class=\"verb\">{}</span> <code>{}</code> {}</summary>",
        escape(text(&operation["operationId"])),
        verb.to_uppercase(),
        escape(path),
        escape(text(&operation["summary"]))
    );
    paragraphs(html, text(&operation["description"]));
    let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
    if !parameters.is_empty() {
        html.push_str("<table><tr><th>Parameter<th>In<th>Type<th></tr>");
        for parameter in parameters {
            let required = if parameter["required"].as_bool() == Some(true) { " *" } else { "" };
            let _ = write!(
                html,
                "<tr><td><code>{}</code>{required}<td>{}<td>{}<td>{}</tr>",
                escape(text(&parameter["name"])),
                escape(text(&parameter["in"])),
                kind(&parameter["schema"]),
                escape(text(&parameter["description"]))
            );
        }
        html.push_str("</table>");
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    if !body.is_null() {
        let _ = write!(html, "<p>Body: {}</p>", kind(body));
    }
    html.push_str("<table><tr><th>Status<th>Answer<th></tr>");
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let answers: Vec<String> = response["content"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(media, content)| format!("{} <small>{}</small>", kind(&content["schema"]), escape(media)))
            .collect();
        let description = escape(text(&response["description"]));
        let _ = write!(html, "<tr><td>{}<td>{}<td>{description}</tr>", escape(status), answers.join("<br>"));
    }
    html.push_str("</table></details>\n");
}

fn write_schema(html: &mut String, schema: &Value) {
    paragraphs(html, text(&schema["description"]));
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().map(text).collect();
    let Some(properties) = schema["properties"].as_object() else {
        let _ = write!(html, "<p>{}</p>", kind(schema));
        return;
    };
    html.push_str("<table><tr><th>Field<th>Type<th></tr>");
    for (name, property) in properties {
        let mark = if required.contains(&name.as_str()) { " *" } else { "" };
        let (kind, about) = (kind(property), escape(text(&property["description"])));
        let _ = write!(html, "<tr><td><code>{}</code>{mark}<td>{kind}<td>{about}</tr>", escape(name));
    }
    html.push_str("</table>");
}

/// A schema in a few words, with links to those it names. Calls itself once per level of our own document.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.rsplit('/').next()) {
        return format!("<a href=\"#schema-{0}\">{0}</a>", escape(name));
    }
    for union in ["oneOf", "anyOf", "allOf"] {
        if let Some(parts) = schema[union].as_array() {
            return parts.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(|w| format!("<code>{}</code>", escape(&w.to_string()))).collect::<Vec<_>>().join(" ");
    }
    match &schema["type"] {
        Value::String(name) if name == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(name) => escape(name),
        Value::Array(names) if names.iter().any(|n| text(n) == "array") => {
            format!("list of {} or null", kind(&schema["items"]))
        }
        Value::Array(names) => names.iter().map(|n| escape(text(n))).collect::<Vec<_>>().join(" or "),
        _ => String::new(),
    }
}

fn paragraphs(html: &mut String, text: &str) {
    for paragraph in text.split("\n\n").filter(|p| !p.trim().is_empty()) {
        let _ = write!(html, "<p>{}</p>", escape(paragraph));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
