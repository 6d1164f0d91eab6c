# Sourced by the other scripts: finds Pythons, makes virtual environments, installs edgeq in them.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LANES=${EDGEQ_LANES:-$ROOT/.lanes}
export PIP_DISABLE_PIP_VERSION_CHECK=1

# An interpreter counts as found when it runs an empty program.
runs() { command -v "$1" >/dev/null 2>&1 && "$1" -c "" >/dev/null 2>&1; }

# The first python3 from 3.10 to 3.13: $EDGEQ_PYTHON, then python3, then the versioned names.
host_python() {
  local candidate
  for candidate in ${EDGEQ_PYTHON:+"$EDGEQ_PYTHON"} python3 python3.11 python3.12 python3.13 python3.10; do
    if runs "$candidate" &&
      "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))'; then
      command -v "$candidate"
      return
    fi
  done
  echo "edgeq needs Python 3.10 to 3.13 on the host: install one, or name it in EDGEQ_PYTHON." >&2
  return 1
}

# lane_python 3.9: that Python, from $EDGEQ_PYTHON39, the PATH or pyenv; fails where there is none.
lane_python() {
  local named="EDGEQ_PYTHON${1/./}" candidate
  for candidate in "${!named:-}" "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
    if [ -n "$candidate" ] && runs "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

# make_venv PYTHON FOLDER REQUIREMENT...: installs once, and again when pyproject.toml changed.
make_venv() {
  local python=$1 folder=$2 stamp
  shift 2
  stamp=$(printf '%s\n' "$@" | cat "$ROOT/pyproject.toml" - | cksum | tr ' ' '-')
  if [ -f "$folder/.edgeq-$stamp" ]; then return; fi
  if ! "$python" -m venv "$folder" >/dev/null 2>&1; then
    rm -rf "$folder"
    echo "$python cannot make a virtual environment: install its venv module (Debian: apt install python3-venv)." >&2
    return 1
  fi
  echo "Installing into ${folder#"$ROOT"/} ..." >&2
  (cd "$ROOT" && "$folder/bin/python" -m pip install --quiet "$@" 2> >(grep -v '^WARNING: Location' >&2)) || return 1
  touch "$folder/.edgeq-$stamp"
}
