#!/bin/sh
# Sets up a cluster for docker-compose.yml, once; what is there already stays.
#
#   setup certificates FOLDER NAME...  an authority, and a certificate that it signs for each host NAME
#   setup elasticsearch URL CA         the users of Kibana and of the sensor
#   setup opensearch FOLDER            users and roles, as files that OpenSearch reads when it starts for the first time
#
# Passwords come from the environment: ADMIN_PASSWORD, DASHBOARDS_PASSWORD, SENSOR_PASSWORD. They appear in no command line.
set -eu
umask 027

die() {
  echo "setup: $*" >&2
  exit 1
}

# FOLDER/authority/ca.key stays with this script; FOLDER/trust/ca.crt is for everyone; FOLDER/NAME/ is for the host NAME alone.
certificates() {
  folder=$1
  shift
  authority=$folder/authority
  trust=$folder/trust
  mkdir -p "$authority" "$trust"
  if [ ! -f "$trust/ca.crt" ]; then
    new_key "$authority/ca.key"
    openssl req -x509 -new -key "$authority/ca.key" -sha256 -days 3650 -subj '/CN=Borescope cluster authority' \
      -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign,cRLSign' \
      -out "$trust/ca.crt.new"
    mv "$trust/ca.crt.new" "$trust/ca.crt"
  fi
  for name in "$@"; do
    host=$folder/$name
    # The certificate comes last: where it is, the rest is.
    [ -f "$host/tls.crt" ] && continue
    mkdir -p "$host"
    cp "$trust/ca.crt" "$host/ca.crt"
    new_key "$host/tls.key"
    cat > "$authority/extensions" <<EXTENSIONS
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature,keyEncipherment
extendedKeyUsage=serverAuth,clientAuth
subjectAltName=DNS:$name,DNS:localhost,IP:127.0.0.1
EXTENSIONS
    openssl req -new -key "$host/tls.key" -subj "/CN=$name" -out "$authority/request"
    openssl x509 -req -in "$authority/request" -CA "$trust/ca.crt" -CAkey "$authority/ca.key" \
      -set_serial "0x$(openssl rand -hex 16)" -sha256 -days 825 -extfile "$authority/extensions" \
      -out "$host/tls.crt.new" 2>/dev/null || die "no certificate for $name"
    mv "$host/tls.crt.new" "$host/tls.crt"
    rm "$authority/extensions" "$authority/request"
  done
}

new_key() {
  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out "$1" 2>/dev/null || die "no key in $1"
}

# Sends stdin; user and password go through a file that only this process reads.
elasticsearch_request() {
  curl --silent --show-error --fail-with-body --output /dev/null --max-time 60 --cacert "$2" \
    --request "$3" --header 'content-type: application/json' --data-binary @- \
    --config "$credentials" "$1$4" || die "$3 $4 was refused"
}

elasticsearch() {
  url=$1
  ca=$2
  credentials=$(mktemp)
  trap 'rm -f "$credentials"' EXIT
  printf 'user = "elastic:%s"\n' "$ADMIN_PASSWORD" > "$credentials"
  printf '{"password":"%s"}' "$DASHBOARDS_PASSWORD" |
    elasticsearch_request "$url" "$ca" POST /_security/user/kibana_system/_password
  elasticsearch_request "$url" "$ca" PUT /_security/role/borescope <<'ROLE'
{
  "cluster": ["monitor", "manage_index_templates", "manage_ilm"],
  "indices": [
    {
      "names": ["logs-borescope.*-*", "metrics-borescope.*-*"],
      "privileges": ["auto_configure", "create_doc", "delete", "maintenance", "manage", "read", "view_index_metadata"]
    }
  ]
}
ROLE
  printf '{"password":"%s","roles":["borescope"],"full_name":"Borescope sensor"}' "$SENSOR_PASSWORD" |
    elasticsearch_request "$url" "$ca" PUT /_security/user/borescope
}

# A bcrypt hash of stdin.
hash_of() {
  htpasswd -niBC 12 '' | tr -d ':\n'
}

opensearch() {
  folder=$1
  if [ -f "$folder/internal_users.yml" ]; then
    return
  fi
  admin=$(printf '%s' "$ADMIN_PASSWORD" | hash_of)
  dashboards=$(printf '%s' "$DASHBOARDS_PASSWORD" | hash_of)
  sensor=$(printf '%s' "$SENSOR_PASSWORD" | hash_of)
  cat > "$folder/roles.yml" <<'ROLES'
_meta:
  type: roles
  config_version: 2
borescope:
  cluster_permissions:
    - cluster_monitor
    - cluster_composite_ops
    - cluster:admin/component_template/*
    - indices:admin/component_template/*
    - indices:admin/index_template/*
    - cluster:admin/opendistro/ism/*
  index_permissions:
    - index_patterns: ['logs-borescope.*-*', 'metrics-borescope.*-*', '.ds-logs-borescope.*', '.ds-metrics-borescope.*']
      allowed_actions: [create_index, delete, index, indices_monitor, manage, read]
    # To roll a stream over counts as something that is done to every index.
    - index_patterns: ['*']
      allowed_actions: ['indices:admin/rollover']
ROLES
  cat > "$folder/internal_users.yml.new" <<USERS
_meta:
  type: internalusers
  config_version: 2
admin:
  hash: "$admin"
  reserved: true
  backend_roles: [admin]
kibanaserver:
  hash: "$dashboards"
  reserved: true
borescope:
  hash: "$sensor"
  opendistro_security_roles: [borescope]
USERS
  mv "$folder/internal_users.yml.new" "$folder/internal_users.yml"
}

case "${1:-}" in
  certificates)
    [ $# -ge 3 ] || die 'expected: setup certificates FOLDER NAME...'
    ;;
  elasticsearch)
    [ $# -eq 3 ] || die 'expected: setup elasticsearch URL CA'
    ;;
  opensearch)
    [ $# -eq 2 ] || die 'expected: setup opensearch FOLDER'
    ;;
  *) die 'expected certificates, elasticsearch or opensearch' ;;
esac
"$@"
