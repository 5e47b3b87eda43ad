{{/* ADDRESS:PORT of a pod's ssh Service, as far as it is known: from the values, or from the cluster at an upgrade. */}}
{{- define "peel-gateway.sshAddress" -}}
{{- $root := .root -}}
{{- $ssh := $root.Values.ssh -}}
{{- $own := dict -}}
{{- if lt .pod (len $ssh.pods) -}}
{{- $own = index $ssh.pods .pod -}}
{{- end -}}
{{- $name := printf "%s-ssh-%d" (include "peel-gateway.fullname" $root) .pod -}}
{{- $service := lookup "v1" "Service" $root.Release.Namespace $name -}}
{{- $ingress := dig "status" "loadBalancer" "ingress" (list) $service | first | default dict -}}
{{- $port := ternary (add $ssh.port .pod) $ssh.port $ssh.portPerPod | int -}}
{{- if eq $ssh.type "NodePort" -}}
{{- $known := (dig "spec" "ports" (list) $service | first | default dict).nodePort -}}
{{- $wanted := $own.nodePort | default (ternary (add $ssh.nodePort .pod) 0 (gt (int $ssh.nodePort) 0)) -}}
{{- printf "ADDRESS-OF-A-NODE:%v" ($wanted | default $known | default (printf "NODEPORT-OF-%s" $name)) -}}
{{- else if eq $ssh.type "ClusterIP" -}}
{{- printf "%s.%s:%d" $name $root.Release.Namespace $port -}}
{{- else -}}
{{- $address := $own.loadBalancerIP | default $ssh.loadBalancerIP | default $ingress.ip | default $ingress.hostname -}}
{{- printf "%s:%d" ($address | default (printf "EXTERNAL-IP-OF-%s" $name)) $port -}}
{{- end -}}
{{- end -}}

{{/* The host key itself: from the values, or from the Secret if it can be read. */}}
{{- define "peel-gateway.hostKeyText" -}}
{{- if .Values.hostKey.value -}}
{{- .Values.hostKey.value -}}
{{- else -}}
{{- $secret := lookup "v1" "Secret" .Release.Namespace .Values.hostKey.existingSecret -}}
{{- dig "data" .Values.hostKey.secretKey "" $secret | b64dec -}}
{{- end -}}
{{- end -}}

{{/* The line that a signer has to know. */}}
{{- define "peel-gateway.hostKeyForHome" -}}
{{- include "peel-gateway.publicHalf" (include "peel-gateway.hostKeyText" .) | default "THE-LINE-THAT-PEEL-GATEWAY-INIT-PRINTED" -}}
{{- end -}}
