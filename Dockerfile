# syntax=docker/dockerfile:1

# The packages that the sensor needs when it runs.
FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /opt/borescope
COPY package.json package-lock.json ./
# Without those that bring Node.js: it is here already.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  && rm -rf node_modules/node-linux-* node_modules/.bin/node

# What sets up a cluster for docker-compose.yml: certificates and users.
FROM node:24.21.0-bookworm-slim AS setup
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install --yes --no-install-recommends apache2-utils ca-certificates curl openssl \
  && rm -rf /var/lib/apt/lists/* \
  && install -d -o node -g node -m 0750 /cluster/authority /cluster/trust \
    /cluster/elasticsearch /cluster/kibana /cluster/opensearch /cluster/opensearch-dashboards
COPY --chmod=0755 deploy/setup.sh /usr/local/bin/setup
USER 1000:1000
ENTRYPOINT ["setup"]

# The sensor.
FROM node:24.21.0-bookworm-slim AS sensor
LABEL org.opencontainers.image.title="Borescope" \
  org.opencontainers.image.description="Passive sensor for L2TP and L2TP/IPsec" \
  org.opencontainers.image.version="0.1.0" \
  org.opencontainers.image.licenses="Apache-2.0"
COPY --from=packages /opt/borescope/node_modules /opt/borescope/node_modules
COPY package.json LICENSE NOTICE CHANGELOG.md /opt/borescope/
COPY bin /opt/borescope/bin
COPY rules /opt/borescope/rules
COPY src /opt/borescope/src
# Everything that the sensor writes is in its home: the rest may be read-only.
RUN ln -s /opt/borescope/bin/borescope /usr/local/bin/borescope \
  && install -d -o node -g node -m 0750 /var/lib/borescope
ENV NODE_ENV=production HOME=/var/lib/borescope
WORKDIR /var/lib/borescope
USER 1000:1000
VOLUME ["/var/lib/borescope"]
HEALTHCHECK --interval=60s --timeout=20s --start-period=10s CMD ["borescope", "doctor"]
ENTRYPOINT ["borescope"]
CMD ["--help"]
