"""check.py PROGRAM WORK: see `run`. WORK/sources holds clean copies of the examples."""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

PROGRAM, WORK = Path(sys.argv[1]), Path(sys.argv[2])
EXAMPLES = {
    "kana": "javascript/transform",
    "contacts-js": "javascript/connector",
    "wareki": "python/transform",
    "contacts-py": "python/connector",
}
# An outside author's connector: a workspace of its own, with its own simulator.
KINTONE = (WORK / "sources" / "kintone").resolve()
KINTONE_APPS = ["--config", "customers_app=1", "--config", "deals_app=2"]
# One that is never told is a fault of the program; a slow machine is not.
PATIENCE_S = 600


def step(text):
    print(f"[{time.monotonic() - BEGAN:6.1f} s] {text}", flush=True)


def renkei(*arguments):
    """Runs the program to its end and gives its JSON; anything but success ends this check."""
    done = subprocess.run([PROGRAM, *arguments, "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"renkei {' '.join(map(str, arguments))}:\n{done.stdout}\n{done.stderr}")
    return json.loads(done.stdout)


def build(folder):
    for id, source in EXAMPLES.items():
        built = renkei("plugin", "build", WORK / "sources" / source, "--out", folder)
        assert built["id"] == id, built
        step(f"built {id} {built['version']}: {built['size']:,} bytes")


def replace(folder, version):
    """The same components as another version, each put in its place by one rename."""
    drafts = WORK / "drafts"
    for id, source in EXAMPLES.items():
        manifest = WORK / f"{id}.toml"
        text = (WORK / "sources" / source / "plugin.toml").read_text()
        text = re.sub(r'^version = .*\n', "", text, flags=re.M)
        manifest.write_text(re.sub(r"^id =", f'version = "{version}"\nid =', text, flags=re.M))
        component = WORK / "sources" / source / "build/component.wasm"
        packed = renkei("plugin", "pack", component, "--manifest", manifest, "--out", drafts)
        os.replace(packed["file"], folder / f"{id}.wasm")


class Demo:
    """The demo with the examples beside its own plugins; its lines of JSON as they come."""

    def __init__(self, plugins):
        home = WORK / "demo"
        self.plugins = home / "plugins"
        arguments = ["demo", "--people", "60", "--json", "--dir", home, "--plugins", plugins]
        self.child = subprocess.Popen(
            [PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.said, self.told, self.objects = [], [], queue.Queue()
        for read in (self.read_objects, self.read_messages):
            threading.Thread(target=read, daemon=True).start()

    def read_objects(self):
        text = ""
        for line in self.child.stdout:
            self.told.append(line)
            text += line
            try:
                self.objects.put(json.loads(text))
                text = ""
            except ValueError:
                pass  # An object of several lines goes on.
        self.objects.put(None)

    def read_messages(self):
        self.said.extend(self.child.stderr)

    def wait_for(self, what, fits):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                found = self.objects.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                found = None
            if found is None:
                # Asked to stop, so that it takes its simulators with it.
                self.child.send_signal(signal.SIGINT)
                last = "".join(self.told[-20:] + self.said)
                sys.exit(f"the demo did not come to {what}:\n{last}")
            if fits(found):
                return found

    def stop(self):
        self.child.send_signal(signal.SIGINT)
        if self.child.wait(timeout=60) != 0:
            sys.exit(f"the demo ended with {self.child.returncode}:\n{''.join(self.said)}")


class KintoneKit:
    """The kit on the connector of `kintone`, against its simulator. It waits a minute per object for
    deletions that no scan of kintone's changes can show, so it runs beside the other checks."""

    def __init__(self):
        cargo("test")
        cargo("build", "-p", "kintone-simulator")
        built = renkei("plugin", "build", KINTONE / "connector", "--out", WORK / "kintone")
        step(f"built kintone {built['version']}: {built['size']:,} bytes")
        simulator = KINTONE / "target/debug/kintone-simulator"
        self.simulator = subprocess.Popen(
            [simulator, "--token", "secret"], stdout=subprocess.PIPE, text=True
        )
        url = self.simulator.stdout.readline().removeprefix("listening on ").strip()
        arguments = ["--simulator", url, "--auth", "header:X-Cybozu-API-Token", *KINTONE_APPS]
        self.child = subprocess.Popen(
            [PROGRAM, "plugin", "test", WORK / "kintone/kintone.wasm", *arguments, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "RENKEI_SECRET_SIMULATOR": "secret"},
        )

    def finish(self):
        told, said = self.child.communicate(timeout=PATIENCE_S)
        self.stop()
        if self.child.returncode != 0:
            sys.exit(f"the kit on kintone:\n{told}\n{said}")
        report = json.loads(told)
        assert report["passed"] >= 38 and report["not_applicable"] == 0, report
        step(f"tried kintone: {report['passed']}")

    def stop(self):
        """Ends both by their handles, wherever they are."""
        for child in (self.child, self.simulator):
            if child.poll() is None:
                child.terminate()
                child.wait(timeout=60)


def cargo(command, *arguments):
    """Cargo in the workspace of `kintone`, with its own lock file and target folder."""
    target = ["--locked", "--quiet", "--target-dir", KINTONE / "target"]
    done = subprocess.run(
        ["cargo", command, *arguments, *target], cwd=KINTONE, capture_output=True, text=True
    )
    if done.returncode != 0:
        sys.exit(f"cargo {command}:\n{done.stdout}\n{done.stderr}")


def main():
    kit = KintoneKit()
    try:
        check_examples()
        kit.finish()
    finally:
        kit.stop()


def check_examples():
    plugins = WORK / "plugins"
    build(plugins)
    for id in EXAMPLES:
        report = renkei("plugin", "test", plugins / f"{id}.wasm")
        step(f"tried {id}: {report.get('passed', 'passed')}")

    demo = Demo(plugins)
    report = demo.wait_for("its report", lambda one: "converged" in one)
    kept = {key: report[key] for key in ("converged", "idle_writes", "lost_edits", "duplicates")}
    expected = {"converged": True, "idle_writes": 0, "lost_edits": 0, "duplicates": 0}
    assert kept == expected, kept
    listed = json.dumps(report["plugins"])
    for id in [*EXAMPLES, "hubspot", "salesforce", "names", "matchkeys"]:
        assert f'"{id}' in listed, f"{id} is not among {listed}"
    step("the demo kept its promises with all eight plugins loaded")

    replace(demo.plugins, "1.0.1")
    waiting = set(EXAMPLES)

    def told(event):
        if event.get("event") == "plugin-refused":
            sys.exit(f"refused: {event}")
        text = json.dumps(event)
        if event.get("event") == "plugin-loaded" and "1.0.1" in text:
            waiting.difference_update({id for id in waiting if f'"{id}' in text})
        return not waiting

    demo.wait_for("the new versions", told)
    step("all four were replaced while the demo served")
    demo.stop()


BEGAN = time.monotonic()
main()
