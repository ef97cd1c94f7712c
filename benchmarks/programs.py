"""Whole programs: start, ask once, print, exit; each as short as a user would write it.

Read by the driver, which runs them with ``python -c``.
"""

from __future__ import annotations

PROGRAMS = {
    "airouter": """
import os
from airouter_core import create_provider
provider = create_provider("openai", {"api_key": "stub-key", "base_url": os.environ["BENCHMARK_BASE"] + "/v1"})
print(provider.execute("gpt-4o-mini", "Say hello."))
""",
    "requests": """
import os, requests
answer = requests.post(
    os.environ["BENCHMARK_BASE"] + "/v1/chat/completions",
    json={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]},
    headers={"Authorization": "Bearer stub-key"},
)
print(answer.json()["choices"][0]["message"]["content"])
""",
    "http.client": """
import http.client, json, os
connection = http.client.HTTPConnection(os.environ["BENCHMARK_BASE"].partition("://")[2])
body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]})
headers = {"Authorization": "Bearer stub-key", "Content-Type": "application/json"}
connection.request("POST", "/v1/chat/completions", body, headers)
print(json.loads(connection.getresponse().read())["choices"][0]["message"]["content"])
""",
    "openai": """
import os
from openai import OpenAI
client = OpenAI(api_key="stub-key", base_url=os.environ["BENCHMARK_BASE"] + "/v1")
messages = [{"role": "user", "content": "Say hello."}]
print(client.chat.completions.create(model="gpt-4o-mini", messages=messages).choices[0].message.content)
""",
    "litellm": """
import os
import litellm
messages = [{"role": "user", "content": "Say hello."}]
base = os.environ["BENCHMARK_BASE"] + "/v1"
answer = litellm.completion(model="openai/gpt-4o-mini", messages=messages, api_key="stub-key", api_base=base)
print(answer.choices[0].message.content)
""",
}
