"""Requests to an object: a JSON object per line in, whose `do` names a method, and one per line out."""

import json
import sys


def serve(peers):
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(peers, request.pop("do"))(**request)
        except Exception as error:  # whatever it is, the caller prints it as the reason
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
