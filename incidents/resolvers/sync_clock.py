"""A server's clock is wrong: let its own time service step it at once, instead of slewing it over hours.

Symptom: certificates seem expired or not yet valid, logs disagree, and a restore to a time would end at another one.
Look first: which time servers does the server use, and can it reach them (`chronyc sources`)? Is the virtual machine's
clock wrong after a pause or a move?
Steps: `chronyc makestep` where chrony runs, else restart systemd-timesyncd, which steps the clock as it starts; both
also by `sudo -n`; then check the clock.
Give up when: the server runs neither service, herdsite's user lacks the right, or the clock is still wrong two minutes
later.
"""

from incidents.outcomes import Case, Outcome, again, fixed, give_up
from incidents.watch import CLOCK_S

PATIENCE_S, LOOK_AGAIN_S = 120.0, 5.0

_STEP = """
if command -v chronyc > /dev/null; then
    chronyc makestep || sudo -n chronyc makestep
elif command -v timedatectl > /dev/null; then
    systemctl restart systemd-timesyncd || sudo -n systemctl restart systemd-timesyncd
else
    echo "the server has neither chrony nor systemd-timesyncd" >&2
    exit 69
fi
"""


def makestep(case: Case) -> Outcome:
    result = case.shell().run(["sh", "-c", _STEP])
    said = "; ".join(f"{result.out}\n{result.err}".split("\n")).strip("; ")[-500:]
    return fixed(said or "the clock was set") if result.ok else give_up(said or f"ended with {result.code}")


def right(case: Case) -> Outcome:
    """By the last look at the server, which comes every so often."""
    skew = case.facts["clock_skew_s"]
    if skew is not None and abs(skew) <= CLOCK_S:
        return fixed(f"the clock is {skew:+.1f} s off")
    why = "the clock has not been checked yet" if skew is None else f"the clock is still {skew:+.1f} s off"
    return again(LOOK_AGAIN_S, why) if case.step_s < PATIENCE_S else give_up(why)


STEPS = (makestep, right)
