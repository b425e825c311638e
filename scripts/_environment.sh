# Sourced by scripts/run and scripts/test: makes .venv when it is missing or stale. Needs Python 3.11 to 3.13.
# A .venv is stale when pyproject.toml or constraints.txt changed since it was made, or its Python is gone.

find_python() {
    for candidate in "${MLPCLI_PYTHON:-}" python3.11 python3.12 python3.13 python3 python; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
            echo "$candidate"
            return 0
        fi
    done
    echo "mlpcli needs Python 3.11, 3.12 or 3.13, and none was found; set MLPCLI_PYTHON to one" >&2
    return 1
}

# make_environment FOLDER EXTRAS STAMP_TEXT PIP_ARGUMENT...
make_environment() {
    local folder=$1 extras=$2 wanted=$3
    shift 3
    if [ -x "$folder/bin/python" ] && [ "$(cat "$folder/stamp" 2>/dev/null)" = "$wanted" ]; then
        return 0
    fi
    echo "setting up $folder (once; some minutes on a first download)" >&2
    if ! "$folder/bin/python" -c 'import sys, pip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
        local python
        python=$(find_python) || return 1
        rm -rf "$folder"
        "$python" -m venv "$folder" || {
            echo "could not make a virtual environment with $python -m venv; on Debian install python3-venv" >&2
            return 1
        }
    fi
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@" --editable ".$extras" >&2 || {
        echo "the installation failed; pip's message is above. Fix the cause and run the command again" >&2
        return 1
    }
    # A first call, and any where Python may not write bytecode, starts a tenth of a second sooner.
    "$folder/bin/python" -m compileall -q mlpcli
    printf '%s' "$wanted" >"$folder/stamp"
}

# The text that tells a stale environment: checksums of what it was made from, and the extras in it.
stamp_of() {
    echo "$1 $(cat pyproject.toml constraints.txt | cksum)"
}
