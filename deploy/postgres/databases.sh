#!/bin/bash
# One database and one role of the same name per service, and one for the schema registry. Nobody
# but its role connects to a database, so services can share nothing but events.
#
# Postgres runs this once, when its data folder is made. A password that changes afterwards has to
# be changed with ALTER ROLE as well.
set -eo pipefail

create() { # create <name> <password>
  psql --no-psqlrc --set ON_ERROR_STOP=1 --set name="$1" --set password="$2" \
    --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
}

create ticketrail_order "${ORDER_DATABASE_PASSWORD:?}"
create ticketrail_inventory "${INVENTORY_DATABASE_PASSWORD:?}"
create ticketrail_shipment "${SHIPMENT_DATABASE_PASSWORD:?}"
create ticketrail_notification "${NOTIFICATION_DATABASE_PASSWORD:?}"
create ticketrail_fraud "${FRAUD_DATABASE_PASSWORD:?}"
create registry "${REGISTRY_DATABASE_PASSWORD:?}"
