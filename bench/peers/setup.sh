#!/bin/sh
# Makes the Python environment of the peers: a virtual environment with pinned packages from PyPI (pip's own configuration
# and environment decide from where). llama-cpp-python is built from source with cmake, which takes some minutes.
#
#   bench/peers/setup.sh [FOLDER]      default: .venv beside this script; use another through ECKART_PEERS
#
# Running it again does nothing unless requirements.txt has changed. It needs Python 3.11 or newer, cmake and a C++ compiler.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=${1:-${ECKART_PEERS:-$here/.venv}}
stamp=$venv/.requirements
python=${PYTHON:-python3}

if [ -f "$stamp" ] && cmp -s "$stamp" "$here/requirements.txt"; then
	echo "$venv is up to date"
	exit 0
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
	echo "setup.sh: $python is older than 3.11; set PYTHON to a newer one" >&2
	exit 1
}
for tool in cmake c++; do
	command -v "$tool" >/dev/null || {
		echo "setup.sh: no $tool: llama-cpp-python is built from source; install it first" >&2
		exit 1
	}
done
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --requirement "$here/requirements.txt"
"$venv/bin/python" -c 'import llama_cpp, peft, sklearn, torch, transformers'
cp "$here/requirements.txt" "$stamp"
echo "$venv is ready: set ECKART_PEERS=$venv unless it is the default"
