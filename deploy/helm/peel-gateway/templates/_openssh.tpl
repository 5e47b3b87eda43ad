{{/* An OpenSSH private key without the lines of PEM, decoded: openssh-key-v1, PROTOCOL.key of OpenSSH. What is no base64
gives an error text, which is no key either. */}}
{{- define "peel-gateway.openssh" -}}
{{- $body := . | trim | trimPrefix "-----BEGIN OPENSSH PRIVATE KEY-----" | trimSuffix "-----END OPENSSH PRIVATE KEY-----" -}}
{{- regexReplaceAll "\\s" $body "" | b64dec -}}
{{- end -}}

{{/* Its public half, which stands there in the clear: 39 bytes that are the same in every key without a passphrase, four of
length, and the key. Empty for kinds other than ed25519 and ecdsa. */}}
{{- define "peel-gateway.publicHalf" -}}
{{- $key := include "peel-gateway.openssh" . -}}
{{- if hasPrefix "openssh-key-v1\x00\x00\x00\x00\x04none\x00\x00\x00\x04none\x00\x00\x00\x00\x00\x00\x00\x01" $key -}}
{{- range $kind, $length := dict "ssh-ed25519" 51 "ecdsa-sha2-nistp256" 104 "ecdsa-sha2-nistp384" 136 "ecdsa-sha2-nistp521" 172 -}}
{{- if and (ge (len $key) (add 43 $length | int)) (eq (substr 47 (add 47 (len $kind) | int) $key) $kind) -}}
{{- printf "%s %s" $kind (substr 43 (add 43 $length | int) $key | b64enc) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whether a text is a whole public key of a kind that the gateway takes: "yes", or nothing. The length of each but rsa is
known; a rsa key of 2048 bits has 372 letters. */}}
{{- define "peel-gateway.isPublicKey" -}}
{{- $letters := dict
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" "[A-Za-z0-9+/]{43}"
  "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABB" "[A-Za-z0-9+/]{87}="
  "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABh" "[A-Za-z0-9+/]{130}=="
  "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACF" "[A-Za-z0-9+/]{178}=="
  "ssh-rsa AAAAB3NzaC1yc2E" "[A-Za-z0-9+/]{340,}={0,2}" -}}
{{- range $start, $rest := $letters -}}
{{- if regexMatch (printf "^%s%s( [^\n]*)?$" $start $rest) (trim $) -}}yes{{- end -}}
{{- end -}}
{{- end -}}
