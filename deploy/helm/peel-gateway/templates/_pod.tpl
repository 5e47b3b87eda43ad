{{- define "peel-gateway.pod" -}}
serviceAccountName: {{ include "peel-gateway.serviceAccount" . }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ int .Values.terminationGracePeriodSeconds }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
containers:
  - name: gateway
    {{- include "peel-gateway.container" . | nindent 4 }}
  {{- if .Values.standIn.enabled }}
  - name: stand-in
    {{- include "peel-gateway.standIn" . | nindent 4 }}
  {{- end }}
volumes:
  - name: configuration
    configMap:
      name: {{ include "peel-gateway.fullname" . }}
  # With fsGroup the file is root's and the pod's group may read it: 0440 keeps all others out.
  - name: host-key
    secret:
      secretName: {{ include "peel-gateway.hostKeySecret" . }}
      defaultMode: 0440
      items:
        - key: {{ ternary .Values.hostKey.secretKey "host_key" (empty .Values.hostKey.value) | quote }}
          path: host_key
  {{- if and .Values.state.enabled (not .Values.state.persistent) }}
  - name: state
    emptyDir:
      sizeLimit: {{ .Values.state.size }}
  {{- end }}
{{- include "peel-gateway.placement" . }}
{{- end -}}

{{- define "peel-gateway.container" -}}
image: {{ include "peel-gateway.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  {{- toYaml (concat (list "gateway" "run" "--config" "/etc/peel/gateway.toml") .Values.extraArgs) | nindent 2 }}
{{- with .Values.env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "peel-gateway.containerSecurity" . | nindent 2 }}
# Shells are not here: each is at its signer's port + 1000 on the pod's loopback, for "peel ssh" and port-forward alone.
ports:
  - name: ssh
    containerPort: 58255
  - name: bakers
    containerPort: 6732
  - name: monitor
    containerPort: 9583
{{- include "peel-gateway.probes" . }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
volumeMounts:
  # The whole folder: a file that is mounted alone is not seen to change.
  - name: configuration
    mountPath: /etc/peel
    readOnly: true
  - name: host-key
    mountPath: /etc/peel-host-key
    readOnly: true
  {{- if .Values.state.enabled }}
  - name: state
    mountPath: /var/lib/peel-gateway
  {{- end }}
{{- end -}}

{{/* Says "ask again" to bakers from when the gateway was killed until it listens again: a refused connection is not asked
again. It has no probe, so that it never keeps the pod from being ready. */}}
{{- define "peel-gateway.standIn" -}}
image: {{ include "peel-gateway.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [gateway, stand-in, --config, /etc/peel/gateway.toml]
securityContext:
  {{- include "peel-gateway.containerSecurity" . | nindent 2 }}
resources:
  {{- toYaml .Values.standIn.resources | nindent 2 }}
volumeMounts:
  - name: configuration
    mountPath: /etc/peel
    readOnly: true
  - name: host-key
    mountPath: /etc/peel-host-key
    readOnly: true
{{- end -}}

{{- define "peel-gateway.probes" }}
# It listens. A port that another program has is tried for a minute.
startupProbe:
  httpGet: { path: /livez, port: monitor }
  periodSeconds: 1
  timeoutSeconds: 3
  failureThreshold: 90
# It is alive: a restart would not help against anything else.
livenessProbe:
  httpGet: { path: /livez, port: monitor }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
# At least one signer can be asked. Bakers are sent to no other gateway; signers come to all of them.
readinessProbe:
  httpGet: { path: /readyz, port: monitor }
  periodSeconds: 1
  timeoutSeconds: 2
  failureThreshold: 2
{{- end -}}

{{- define "peel-gateway.placement" }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml .Values.topologySpreadConstraints | nindent 2 }}
{{- else if gt (int .Values.replicas) 1 }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "peel-gateway.selector" . | nindent 8 }}
{{- end }}
{{- end -}}
