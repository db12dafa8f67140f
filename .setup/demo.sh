#!/bin/sh
# The demo with its options: headless where nobody can see a dashboard, figures into $JSON, the verdict last.
set -u
here=$(dirname "$0")
figures=${JSON:-}

case " $* " in
    *" --headless "*) ;;
    *) if [ -n "$figures" ] || [ ! -t 1 ]; then set -- "$@" --headless; fi ;;
esac

if [ -n "$figures" ]; then
    sh "$here/run.sh" .venv/bin/isthmus demo --json "$@" >"$figures"
else
    sh "$here/run.sh" .venv/bin/isthmus demo "$@"
fi
code=$?
if [ "$code" -eq 0 ]; then
    echo "make demo: passed"
    exit 0
fi
echo "make demo: FAILED (exit code $code)"
exit 1
