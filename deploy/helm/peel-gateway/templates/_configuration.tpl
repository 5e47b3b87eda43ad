{{/* gateway.toml without its signers: what a running gateway cannot take over. The pod template has a checksum of it, so
that its change makes the pods anew, and a change of signers does not.

A string of JSON is a string of TOML, too. */}}
{{- define "peel-gateway.configuration" -}}
# Made by Helm from the values of release {{ .Release.Name }}: change it there.

[ssh]
listen = {{ printf "%s:58255" .Values.listenAddress | toJson }}
host_key = "/etc/peel-host-key/host_key"

[http]
listen = {{ printf "%s:6732" .Values.listenAddress | toJson }}
answer_limit_seconds = {{ int .Values.answerLimitSeconds }}
drain_seconds = {{ include "peel-gateway.drainSeconds" . }}
stand_in = {{ .Values.standIn.enabled }}
{{- if .Values.allowListKnownKeys }}
allow_list_known_keys = true
{{- end }}

[monitor]
listen = {{ printf "%s:9583" .Values.listenAddress | toJson }}
{{- with .Values.authentication.authorizedKeys }}

[authentication]
authorized_keys = {{ toJson . }}
{{- end }}
{{- if .Values.state.enabled }}

[state]
directory = "/var/lib/peel-gateway"
{{- end }}
{{- end -}}

{{/* With one gateway no other one answers while it drains, and the next one starts only when it is gone: it ends at once. */}}
{{- define "peel-gateway.drainSeconds" -}}
{{- ternary .Values.drainSeconds 0 (gt (int .Values.replicas) 1) | int -}}
{{- end -}}

{{/* The signers of gateway.toml, which a running gateway reads anew. */}}
{{- define "peel-gateway.signers" -}}
{{- range .Values.signers }}
[[signer]]
name = {{ toJson .name }}
ssh_public_key = {{ include "peel-gateway.sshPublicKey" . | toJson }}
port = {{ int .port }}
{{- with .keys }}
keys = {{ toJson . }}
{{- end }}
{{ end }}
{{- end -}}

{{- define "peel-gateway.sharedKeys" -}}
{{- range .Values.sharedKeys }}
[[shared_key]]
public_key = {{ toJson .publicKey }}
threshold = {{ int .threshold }}
shares = [
{{- range .shares }}
  { index = {{ int .index }}, public_key = {{ toJson .publicKey }}, signer = {{ toJson .signer }} },
{{- end }}
]
{{ end }}
{{- end -}}

{{/* The kind and the key itself, without the comment behind them: two entries with these alike are one key. */}}
{{- define "peel-gateway.sshPublicKey" -}}
{{- regexFind "^\\S+ \\S+" (trim .sshPublicKey) -}}
{{- end -}}
