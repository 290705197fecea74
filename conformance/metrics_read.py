"""Reads metrics on stdin with the parser of the Prometheus project's own client; prints them as JSON.

    {family: {"type": …, "samples": [[name, {label: value}, value], …]}}
"""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families

families = {
    family.name: {"type": family.type, "samples": [[s.name, s.labels, s.value] for s in family.samples]}
    for family in text_string_to_metric_families(sys.stdin.read())
}
json.dump(families, sys.stdout)
