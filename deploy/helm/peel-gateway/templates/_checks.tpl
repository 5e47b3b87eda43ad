{{/* What values.schema.json cannot say. Each check fails with the value, then the cure. */}}
{{- define "peel-gateway.checks" -}}
{{- include "peel-gateway.checkName" . -}}
{{- include "peel-gateway.checkHostKey" . -}}
{{- include "peel-gateway.checkSigners" . -}}
{{- include "peel-gateway.checkSignerPorts" . -}}
{{- include "peel-gateway.checkSharedKeys" . -}}
{{- include "peel-gateway.checkAddresses" . -}}
{{- include "peel-gateway.checkTimes" . -}}
{{- end -}}

{{/* Of Services: RFC 1035. */}}
{{- define "peel-gateway.checkName" -}}
{{- $name := include "peel-gateway.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "%q cannot be the name of a Service: it begins with a letter, and has small letters, digits and - only; choose another release name, or set fullnameOverride" $name) -}}
{{- end -}}
{{- end -}}

{{- define "peel-gateway.checkSharedKeys" -}}
{{- $names := dict -}}
{{- range .Values.signers -}}
{{- $_ := set $names .name true -}}
{{- end -}}
{{- range $key := .Values.sharedKeys -}}
{{- if le (mul 2 (int $key.threshold)) (len $key.shares) -}}
{{- fail (printf "threshold %d of the %d shares of %s: more than half have to be needed" (int $key.threshold) (len $key.shares) $key.publicKey) -}}
{{- end -}}
{{- $seen := dict -}}
{{- range $share := $key.shares -}}
{{- if not (hasKey $names $share.signer) -}}
{{- fail (printf "share %d of %s is that of signer %q, and signers has no such name" (int $share.index) $key.publicKey $share.signer) -}}
{{- end -}}
{{- if hasKey $seen $share.signer -}}
{{- fail (printf "signer %q has two shares of %s; each lies on a computer of its own" $share.signer $key.publicKey) -}}
{{- end -}}
{{- $_ := set $seen $share.signer true -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "peel-gateway.checkHostKey" -}}
{{- with .Values.hostKey -}}
{{- if and .existingSecret .value -}}
{{- fail (printf "hostKey.existingSecret (%q) and hostKey.value are both set; keep one of them" .existingSecret) -}}
{{- else if .value -}}
{{- if not (include "peel-gateway.publicHalf" .value) -}}
{{- fail "hostKey.value is no OpenSSH private key of ed25519 or ecdsa without a passphrase; \"peel gateway init DIR\" makes one, and \"ssh-keygen -p -N '' -f FILE\" writes an older one in that form" -}}
{{- end -}}
{{- else if not .existingSecret -}}
{{- fail (include "peel-gateway.noHostKey" $) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "peel-gateway.noHostKey" -}}
{{- $secret := printf "%s-host-key" (include "peel-gateway.fullname" .) -}}
neither hostKey.existingSecret nor hostKey.value is set. Make a host key once, and keep it: signers trust no gateway with another one.

  peel gateway init gateway
  kubectl --namespace {{ .Release.Namespace }} create secret generic {{ $secret }} --from-file=host_key=gateway/host_key

Then set hostKey.existingSecret to {{ $secret }}
{{- end -}}

{{- define "peel-gateway.checkSigners" -}}
{{- if not .Values.signers -}}
{{- fail "signers is empty; \"peel signer init DIR --name NAME\" prints at home what belongs there: name, ssh_public_key (here sshPublicKey) and port" -}}
{{- end -}}
{{- $names := dict -}}
{{- $sshKeys := dict -}}
{{- range $signer := .Values.signers -}}
{{- if hasKey $names $signer.name -}}
{{- fail (printf "two signers have the name %q; give each its own" $signer.name) -}}
{{- end -}}
{{- $_ := set $names $signer.name true -}}
{{- if not (include "peel-gateway.isPublicKey" $signer.sshPublicKey) -}}
{{- fail (printf "sshPublicKey of signer %q (%q…) is no whole OpenSSH public key of ed25519, ecdsa or rsa (2048 bits or more); \"peel signer init\" prints it, in one line: ssh-ed25519 AAAA…" $signer.name (trunc 24 $signer.sshPublicKey)) -}}
{{- end -}}
{{- $sshKey := include "peel-gateway.sshPublicKey" $signer -}}
{{- with get $sshKeys $sshKey -}}
{{- fail (printf "signers %q and %q have the same sshPublicKey; each has its own: \"peel signer init\" makes one" . $signer.name) -}}
{{- end -}}
{{- $_ := set $sshKeys $sshKey $signer.name -}}
{{- end -}}
{{- end -}}

{{/* Within the pod: the gateway's own ports, each signer's, and its shell's, which is 1000 above. */}}
{{- define "peel-gateway.checkSignerPorts" -}}
{{- $taken := dict "58255" "ssh" "6732" "bakers" "9583" "the monitor" -}}
{{- range .Values.signers -}}
{{- $signer := printf "signer %q" .name -}}
{{- $shell := printf "the shell of signer %q (its port + 1000)" .name -}}
{{- range $port, $user := dict (.port | int | toString) $signer (add .port 1000 | toString) $shell -}}
{{- with get $taken $port -}}
{{- fail (printf "port %s of %s is taken by %s; choose another port for the signer" $port $user .) -}}
{{- end -}}
{{- $_ := set $taken $port $user -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Of the ssh Services. */}}
{{- define "peel-gateway.checkAddresses" -}}
{{- $replicas := int .Values.replicas -}}
{{- $ssh := .Values.ssh -}}
{{- if gt (len $ssh.pods) $replicas -}}
{{- fail (printf "ssh.pods has %d entries and replicas is %d; leave out those of pods that are not there" (len $ssh.pods) $replicas) -}}
{{- end -}}
{{- if and (gt $replicas 1) $ssh.loadBalancerIP (not $ssh.portPerPod) -}}
{{- fail (printf "ssh.loadBalancerIP (%s) is one address and replicas is %d; name one for each pod under ssh.pods, or set ssh.portPerPod to true" $ssh.loadBalancerIP $replicas) -}}
{{- end -}}
{{- if and (ne $ssh.type "LoadBalancer") (or $ssh.loadBalancerIP $ssh.loadBalancerClass $ssh.loadBalancerSourceRanges) -}}
{{- fail (printf "ssh.type is %s, and loadBalancerIP, loadBalancerClass or loadBalancerSourceRanges is set; set ssh.type to LoadBalancer, or leave them out" $ssh.type) -}}
{{- end -}}
{{- if and (eq $ssh.type "ClusterIP") (or $ssh.nodePort $ssh.externalTrafficPolicy) -}}
{{- fail "ssh.type is ClusterIP, and nodePort or externalTrafficPolicy is set; set ssh.type to NodePort or LoadBalancer, or leave them out" -}}
{{- end -}}
{{- if and $ssh.portPerPod $ssh.additionalPorts -}}
{{- fail "ssh.portPerPod and ssh.additionalPorts are both set; a port of one address leads to one pod: leave additionalPorts out" -}}
{{- end -}}
{{- range $ssh.additionalPorts -}}
{{- if eq (int .) (int $ssh.port) -}}
{{- fail (printf "ssh.additionalPorts has %d, which is ssh.port; take it out" (int .)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A pod is killed at the end of its grace period, also when it is still answering. */}}
{{- define "peel-gateway.checkTimes" -}}
{{- $needed := add (include "peel-gateway.drainSeconds" . | int) .Values.answerLimitSeconds 10 | int -}}
{{- $grace := int .Values.terminationGracePeriodSeconds -}}
{{- if gt $needed $grace -}}
{{- fail (printf "terminationGracePeriodSeconds is %d; drainSeconds (of two gateways or more), answerLimitSeconds and ten seconds are %d: set it to %d or more" $grace $needed $needed) -}}
{{- end -}}
{{- end -}}
