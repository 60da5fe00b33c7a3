"""What herdsite does about a machine. One row a beat, first match wins."""

from fleet.conditions import always, asked, heard, is_, named, no, over, reached, under, yes
from fleet.rules import ANY, WAIT, Rule, do, go
from fleet.states import AVAILABLE, CREATING, DESTROYING, DOWN, RETIRING, UNCERTAIN

ALIVE = (CREATING, AVAILABLE, UNCERTAIN, DOWN, RETIRING)
IN_SERVICE = (AVAILABLE, UNCERTAIN, DOWN, RETIRING)

confirmed_down = named(
    "several workers get no answer by SSH, no instance on it answers or is heard by a standby, for the doubt window",
    reached("doubt_s", "doubt_window_s")
    & over("ssh_vantages", 1)
    & no("members_answer")
    & yes("vantage_sees")
    & ~heard(),
)

LIFE = (
    # row, in state                  when the facts say
    #      then                      because

    # 100: what was requested
    Rule(101, ALIVE,                 asked("destroy") & under("members", 1),
         go("destroy"),              "Destroy was requested, and no instance is on this server"),
    Rule(103, ALIVE,                 asked("destroy") & over("members", 0),
         do("refuse"),               "Instances are on this server: destroy or move them first"),
    Rule(105, IN_SERVICE,            asked("retire"),
         do("retire"),               "Retire was requested"),
    Rule(107, IN_SERVICE,            asked("keep"),
         do("keep"),                 "Keep in service was requested"),

    # 200: creating; going out of service
    Rule(201, CREATING,              is_("machine", "absent"),
         do("create_machine"),       "The provider has no such machine yet"),
    Rule(203, CREATING,              is_("machine", "stopped"),
         do("start_machine"),        "The machine exists and is switched off"),
    Rule(205, CREATING,              is_("machine", "pending"),
         WAIT,                       "The provider is creating the machine"),
    Rule(207, CREATING,              (is_("machine", "running") | yes("adopted")) & no("host_key"),
         do("introduce"),            "The machine runs, or belongs to its owner: pin its host key, and record its "
                                     "address and paths"),
    Rule(209, CREATING,              yes("ssh"),
         go("come_up"),              "SSH login works"),
    Rule(221, AVAILABLE,             yes("retires"),
         go("retire"),               "The server goes out of service on a set date"),
    Rule(223, RETIRING,              no("retires"),
         go("keep"),                 "The retirement was called off: the server stays in service"),

    # 300: doubt, verdict, return
    Rule(301, (AVAILABLE, RETIRING), no("ssh"),
         go("doubt"),                "A failed SSH check is only a doubt: other workers look before any verdict"),
    Rule(303, (AVAILABLE, RETIRING), is_("machine", "stopped", "paused", "absent"),
         go("doubt"),                "The provider reports that the machine does not run"),
    Rule(311, (UNCERTAIN, DOWN),     yes("ssh"),
         go("come_back"),            "SSH login works again"),
    # Before 315: proof needs no time, silence does.
    Rule(313, UNCERTAIN,             is_("machine", "stopped", "absent"),
         go("go_down"),              "The provider reports that the machine is stopped or gone, which is proof"),
    Rule(315, UNCERTAIN,             confirmed_down,
         go("go_down"),              "Several workers got no answer from the server for the whole doubt window"),
    Rule(317, UNCERTAIN,             no("ssh"),
         WAIT,                       "The server is in doubt: other workers look, and the provider is asked"),
    Rule(325, DOWN,                  no("ssh"),
         WAIT,                       "SSH login still fails: checks continue"),

    # 600: destroying
    Rule(601, DESTROYING,            is_("machine", "absent"),
         go("bury"),                 "The provider has no such machine any more"),
    Rule(602, DESTROYING,            yes("adopted"),
         go("bury"),                 "The server was adopted, not created: its machine stays with its owner"),
    Rule(603, DESTROYING,            is_("machine", "running", "stopped", "paused", "pending"),
         do("destroy_machine"),      "The machine still exists: the provider is asked to destroy it"),

    # 900: nothing to do
    Rule(901, ANY,                   always,
         WAIT,                       "Nothing to do"),
)  # fmt: skip
