# shellcheck shell=bash
# Completes names of servers, instances and resources: `source bin/completion.bash`, then `manage.py explain ser<TAB>`.

_herdsite() {
  local word=${COMP_WORDS[COMP_CWORD]} manage=${COMP_WORDS[0]}
  case ${COMP_WORDS[1]-} in
    ask | explain | feel | chaos)
      if [ "$COMP_CWORD" -eq 2 ]; then
        mapfile -t COMPREPLY < <("$manage" names "$word" 2>/dev/null)
      fi
      ;;
  esac
}

complete -o default -F _herdsite manage.py ./manage.py
