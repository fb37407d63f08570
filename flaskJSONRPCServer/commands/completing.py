"""The command ``completion``: scripts by which shells complete the names of methods and parameters."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from typing import Final

__all__ = ["SHELLS", "completion_script"]

# A shell completes by the name of a command, and `python -m ...` has none. So each script defines one.
_BASH: Final = """\
jsonrpc() {{ {command} "$@"; }}

_jsonrpc() {{
  local line="${{COMP_LINE:0:COMP_POINT}}" current="" name
  local -a words
  read -ra words <<< "$line"  # COMP_WORDS is split at the colons of URLs
  if [[ "$line" != *[[:space:]] ]]; then
    current="${{words[-1]}}"
    unset 'words[-1]'
  fi
  COMPREPLY=()
  [[ "${{#words[@]}}" -lt 2 || "$current" == -* ]] && return
  while IFS= read -r name; do  # the server chooses the names: compgen -W would run the commands in them
    [[ "$name" == "$current"* ]] && COMPREPLY+=("$(printf %q "$name")")
  done < <({command} --list --timeout 5 "${{words[@]:1}}" 2>/dev/null)
  [[ "${{COMPREPLY[0]}}" == *= ]] && compopt -o nospace 2>/dev/null
}}
complete -F _jsonrpc jsonrpc
"""

_ZSH: Final = """\
jsonrpc() {{ {command} "$@"; }}

_jsonrpc() {{
  local -a names
  (( CURRENT < 3 )) && return
  [[ "$PREFIX" == -* ]] && return
  names=("${{(@f)$({command} --list --timeout 5 "${{(@Q)words[2,CURRENT-1]}}" 2>/dev/null)}}")
  if [[ "${{names[1]}}" == *= ]]; then
    compadd -S "" -a names
  else
    compadd -a names
  fi
}}
(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit }}
compdef _jsonrpc jsonrpc
"""

_FISH: Final = """\
function jsonrpc
    {command} $argv
end

function __jsonrpc_names
    set -l words (commandline -opc)
    test (count $words) -lt 2; and return
    {command} --list --timeout 5 $words[2..-1] 2>/dev/null
end
complete -c jsonrpc -f -a '(__jsonrpc_names)'
"""

SHELLS: Final[Mapping[str, str]] = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def completion_script(shell: str) -> str:
    """Return the script of a shell. It defines the command ``jsonrpc``, which runs ``call`` by this interpreter."""
    return SHELLS[shell].format(command=f"{shlex.quote(sys.executable)} -m flaskJSONRPCServer call")
