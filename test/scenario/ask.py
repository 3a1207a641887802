# SPDX-License-Identifier: Apache-2.0
"""Held actions: approve, deny, time out; from another terminal and on the agent's own."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

from rope import BELAY, check, main, wait_for

POLICY = """
@id("ask-touch") @ask("it makes a file")
forbid (principal, action == Action::"exec", resource)
when { context has name && context.name == "touch" };
"""


def options(rope, timeout=60):
    return ["--policy", "coding", "--policy", rope.file("config/ask.cedar", POLICY), "--config",
            rope.file("config/belay.yaml", "ask: {timeout: %ds}\n" % timeout)]


def held(rope):
    return wait_for(rope.pending, "a held action")[0]


def approved_it_runs(rope):
    p = rope.start_sh("touch made; echo $?", options(rope))
    h = held(rope)
    check("touch made" in h["what"] and "ask-touch" in h["rules"], h)
    check(not os.path.exists(os.path.join(rope.work, "made")))
    check(rope.belay("approve", "%s/%d" % (h["session"], h["id"])).returncode == 0)
    out, err = p.communicate(timeout=20)
    check(out == "0\n" and os.path.exists(os.path.join(rope.work, "made")), out, err)
    answers = [e for e in rope.log() if e["kind"] == "answer"]
    check(len(answers) == 1 and answers[0]["outcome"] == "allow", answers)
    check("uid" in str(answers[0].get("by")), answers)


def denied_it_does_not(rope):
    p = rope.start_sh("touch made; echo $?", options(rope))
    h = held(rope)
    check(rope.belay("deny", str(h["id"])).returncode == 0)
    out, _ = p.communicate(timeout=20)
    check(out.strip() == "126" and not os.path.exists(os.path.join(rope.work, "made")), out)


def no_answer_in_time_is_no(rope):
    p = rope.sh("touch made; echo $?", options(rope, 1))
    check(p.stdout.strip() == "126" and not os.path.exists(os.path.join(rope.work, "made")), p)
    late = rope.belay("approve", "1")
    check(late.returncode == 1, late)


def others_go_on_while_one_is_held(rope):
    p = rope.start_sh("touch made & /bin/echo still here; wait", options(rope))
    h = held(rope)
    check(os.read(p.stdout.fileno(), 100) == b"still here\n")
    check(rope.belay("approve", str(h["id"])).returncode == 0)
    p.communicate(timeout=20)
    check(os.path.exists(os.path.join(rope.work, "made")))


def an_answer_counts_once(rope):
    p = rope.start_sh("touch a; touch b", options(rope))
    first = held(rope)
    check(rope.belay("approve", str(first["id"])).returncode == 0)
    second = wait_for(lambda: [h for h in rope.pending() if h["id"] != first["id"]], "the second")[0]
    check(rope.belay("approve", str(first["id"])).returncode == 1)
    check(rope.belay("deny", str(second["id"])).returncode == 0)
    p.communicate(timeout=20)
    check(os.path.exists(os.path.join(rope.work, "a")) and not os.path.exists(os.path.join(rope.work, "b")))


def a_held_action_can_be_frozen_and_approved(rope):
    p = rope.start_sh("touch made; echo $?", options(rope))
    h = held(rope)
    check(rope.belay("freeze").returncode == 0)
    check(rope.sessions()[0]["state"] == "frozen")
    check(rope.belay("approve", str(h["id"])).returncode == 0)
    time.sleep(0.5)
    check(not os.path.exists(os.path.join(rope.work, "made")), "it ran while frozen")
    check(rope.belay("resume").returncode == 0)
    out, err = p.communicate(timeout=20)
    check(out == "0\n", out, err)


class Terminal:
    """belay on a terminal of its own."""

    def __init__(self, rope, args, rows=24, cols=80):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(rope.work)
            os.execve(BELAY, [BELAY, *args], rope.env())
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        self.text = ""

    def read(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.fd], [], [], 0.05)[0]:
                try:
                    data = os.read(self.fd, 65536)
                except OSError:
                    return
                if not data:
                    return
                self.text += data.decode(errors="replace")

    def expect(self, pattern, seconds=20):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            check(time.monotonic() < end, "waited for", pattern, "got", repr(self.text[-600:]))
            self.read(0.1)

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.read(0.1)
                return os.waitstatus_to_exitcode(status)
            self.read(0.05)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError("belay hung on its terminal: " + repr(self.text[-600:]))


def the_agent_has_a_terminal_of_its_own(rope):
    t = Terminal(rope, ["run", "--", "sh", "-c", "tty; stty size; test -t 0 && test -t 1 && echo all"], 31, 97)
    code = t.wait()
    check(code == 0 and "/dev/pts/0" in t.text and "all" in t.text, code, t.text)
    check("31 97" in t.text, t.text)


def ctrl_c_and_exit_codes_on_a_terminal(rope):
    t = Terminal(rope, ["run", "--", "sh", "-c", "trap 'echo got-int; exit 7' INT; echo ready; "
                        "while :; do sleep 0.1; done"])
    t.expect("ready")
    t.type("\x03")
    check(t.wait() == 7 and "got-int" in t.text, t.text)


def a_resize_reaches_the_agent(rope):
    t = Terminal(rope, ["run", "--", "sh", "-c", "trap 'stty size' WINCH; echo ready; "
                        "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; done"])
    t.expect("ready")
    fcntl.ioctl(t.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    os.kill(t.pid, signal.SIGWINCH)
    t.expect("40 100")
    t.wait()


def job_control_in_a_shell(rope):
    t = Terminal(rope, ["run", "--", "bash", "--norc", "-i"])
    t.expect(r"[$#] ")
    t.type("sleep 100\n")
    time.sleep(0.5)
    t.type("\x1a")
    t.expect("Stopped")
    t.type("kill -9 %1; sleep 0.3; exit 4\n")
    check(t.wait() == 4, t.text)


def the_prompt_works_over_a_full_screen_program(rope):
    script = "printf '\\033[?1049h\\033[HFULL SCREEN'; stty raw -echo; touch made; stty sane; " \
             "printf '\\033[?1049l'; echo after"
    t = Terminal(rope, ["run", *options(rope), "--", "sh", "-c", script])
    t.expect("a person must decide")
    t.expect("touch made")
    time.sleep(0.8)
    t.type("y\r")
    t.expect("whole word")
    t.type("yes\r")
    t.expect("after")
    check(t.wait() == 0 and os.path.exists(os.path.join(rope.work, "made")), t.text)


def the_prompt_can_be_answered_elsewhere(rope):
    t = Terminal(rope, ["run", *options(rope), "--", "sh", "-c", "touch made; echo after $?"])
    t.expect("a person must decide")
    check(rope.belay("deny", str(held(rope)["id"])).returncode == 0)
    t.expect("after 126")
    t.wait()


def what_was_typed_for_the_agent_does_not_approve(rope):
    t = Terminal(rope, ["run", *options(rope, 4), "--", "sh", "-c", "echo go; touch made; echo after $?"])
    t.expect("go")
    for _ in range(20):
        t.type("yes\r")
        time.sleep(0.02)
    t.expect("after 126")
    t.wait()


BURST = "printf '\\033[?1049hPICTURE'; stty raw -echo; mkdir -p .git/hooks; i=0; while [ $i -lt 60 ]; do " \
        "echo x > .git/hooks/h$i; i=$((i+1)); done 2>/dev/null; stty sane; echo over"


def burst(rope):
    config = rope.file("config/belay.yaml", "watch:\n  denials: {count: 20, window: 10s}\n")
    return Terminal(rope, ["run", "--config", config, "--", "sh", "-c", BURST])


def a_freeze_asks_on_the_terminal_and_goes_on(rope):
    t = burst(rope)
    t.expect("the agent is frozen")
    check(rope.sessions()[0]["state"] == "frozen")
    time.sleep(0.8)
    t.type("yes\r")
    seen = len(t.text)
    wait_for(lambda: t.read(0.05) or "over" in t.text[seen:] or "frozen" in t.text[seen:], "it to go on")
    while "over" not in t.text[seen:]:  # the burst goes on, so the watch may ask again
        time.sleep(0.8)
        t.type("yes\r")
        t.read(0.5)
    check(t.wait() == 0, t.text)


def a_freeze_asks_on_the_terminal_and_ends(rope):
    t = burst(rope)
    t.expect("the agent is frozen")
    time.sleep(0.8)
    t.type("no\r")
    check(t.wait() == 124, t.text)


def a_terminal_that_goes_away_ends_the_session_and_keeps_the_record(rope):
    t = Terminal(rope, ["run", "--", "sh", "-c", "echo ready; while :; do sleep 0.1; done"])
    t.expect("ready")
    session = rope.session()
    os.close(t.fd)
    wait_for(lambda: os.waitpid(t.pid, os.WNOHANG)[0], "belay to end", 20)
    v = rope.belay("log", "verify", session)
    check(v.returncode == 0, v)
    check(rope.log(session)[-1]["kind"] == "end", rope.log(session)[-2:])


def the_users_terminal_is_restored(rope):
    t = Terminal(rope, ["run", "--", "sh", "-c", "stty raw -echo; printf '\\033[?1049h'; exit 0"])
    before = termios.tcgetattr(t.fd)
    t.wait()
    after = termios.tcgetattr(t.fd)
    check(after[3] & termios.ECHO and after[3] & termios.ICANON, before, after)
    check("\x1b[?1049l" in t.text, repr(t.text))


if __name__ == "__main__":
    main([approved_it_runs, denied_it_does_not, no_answer_in_time_is_no, others_go_on_while_one_is_held,
          an_answer_counts_once, a_held_action_can_be_frozen_and_approved, the_agent_has_a_terminal_of_its_own, ctrl_c_and_exit_codes_on_a_terminal,
          a_resize_reaches_the_agent, job_control_in_a_shell, the_prompt_works_over_a_full_screen_program,
          the_prompt_can_be_answered_elsewhere, what_was_typed_for_the_agent_does_not_approve,
          a_freeze_asks_on_the_terminal_and_goes_on, a_freeze_asks_on_the_terminal_and_ends,
          a_terminal_that_goes_away_ends_the_session_and_keeps_the_record,
          the_users_terminal_is_restored])
