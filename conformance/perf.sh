#!/bin/sh
# Measures Kalends (release build) beside the load tool's reference server, Radicale and Xandikos, in one run.
# Not part of `conformance/run`: it wants a quiet machine. The load tool is at KALENDS_LOADTOOL (default ../shared/perf/loadtool).
# usage: conformance/perf.sh [ARGUMENTS OF `davbench run`]      for example --rounds 5 --ops put_10k,get_one
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
loadtool=${KALENDS_LOADTOOL:-$root/../shared/perf/loadtool}
[ -f "$loadtool/Cargo.toml" ] || { echo "perf: the load tool is absent ($loadtool); KALENDS_LOADTOOL names its folder" >&2; exit 1; }
tools=$("$here/tools.sh")

cargo build --release --locked --manifest-path "$root/Cargo.toml"
# Its folder may be read-only, and cargo writes a lock file beside the manifest.
mkdir -p "$tools/davbench"
cp -R "$loadtool/." "$tools/davbench/"
chmod -R u+w "$tools/davbench"
cargo build --release --manifest-path "$tools/davbench/Cargo.toml" --target-dir "$tools/davbench/target"

exec env KALENDS_TOOLS="$tools" KALENDS_BIN="${KALENDS_BIN:-$root/target/release/kalends}" \
    "$tools/venv/bin/python" "$here/perf.py" "$@"
