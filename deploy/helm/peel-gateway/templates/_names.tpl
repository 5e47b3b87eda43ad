{{/* The name of what the release makes: its own, with "peel-gateway" in it. 50 letters leave room for "-monitor-99" and for
the hash that a StatefulSet puts behind its name. */}}
{{- define "peel-gateway.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains "peel-gateway" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-peel-gateway" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* By these the pods are found, here and by "peel ssh". They never change: a StatefulSet's selector cannot. */}}
{{- define "peel-gateway.selector" -}}
app.kubernetes.io/name: peel-gateway
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "peel-gateway.labels" -}}
{{ include "peel-gateway.selector" . }}
{{ include "peel-gateway.origin" . }}
{{- end -}}

{{- define "peel-gateway.origin" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "peel-gateway.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "peel-gateway.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "peel-gateway.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (.tag | default $.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "peel-gateway.hostKeySecret" -}}
{{- .Values.hostKey.existingSecret | default (printf "%s-host-key" (include "peel-gateway.fullname" .)) -}}
{{- end -}}

{{/* Of the container: what makes the pod pass the "restricted" Pod Security Standard, whatever the values say. */}}
{{- define "peel-gateway.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
