# shellcheck shell=bash
# Completes verbs, options and names of herd: `source bin/herd-completion.bash`, then `herd info acme<TAB>`.

_herd() {
  mapfile -t COMPREPLY < <("${COMP_WORDS[0]}" complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}

complete -o default -F _herd herd bin/herd ./bin/herd
