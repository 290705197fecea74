# `just` comes with conformance/tools.sh: .cache/conformance/venv/bin/just

# Everything that must hold before a change lands
check:
    conformance/run fmt clippy test docs
    if command -v cargo-deny >/dev/null; then cargo deny check licenses bans sources; else echo "cargo-deny is not installed: licences unchecked"; fi

# A fresh demo on http://127.0.0.1:8080
demo:
    cargo run -- demo --listen 127.0.0.1:8080

# One or several of the suites of strangers, or all of them: `just conformance vdirsyncer`
conformance *part:
    conformance/run {{ part }}
