-- Devices that speak another protocol than ours (docs/devices.md), and what each vehicle can do.
--
-- Who locks what: as in 0001; the vehicle's row before its devices.

ALTER TABLE fleet.vehicle ADD COLUMN capabilities text[] NOT NULL
    DEFAULT '{unlock,lock,sound,lights}'
    CONSTRAINT vehicle_capabilities CHECK (capabilities <@ '{unlock,lock,sound,lights,speed_limit,top_case,battery_cover}');
COMMENT ON COLUMN fleet.vehicle.capabilities IS 'What its device can be told. The default is what our own protocol promises; pairing another device sets what that one''s protocol can say; staff may correct it. Nothing without a device.';

ALTER TABLE fleet.command DROP CONSTRAINT command_operation_check;
ALTER TABLE fleet.command ADD CONSTRAINT command_operation_check
    CHECK (operation IN ('unlock', 'lock', 'sound', 'lights', 'speed_limit', 'top_case', 'battery_cover'));
COMMENT ON COLUMN fleet.command.args IS 'Details, flat: on (lights), kmh (speed_limit).';

CREATE TABLE fleet.device (
    tenant_id      uuid NOT NULL DEFAULT kernel.tenant(),
    imei           text NOT NULL CHECK (imei ~ '^[0-9A-Za-z._:-]{1,64}$'),
    protocol       text NOT NULL CHECK (protocol ~ '^[a-z][a-z0-9_]{0,31}$'),
    vehicle_id     uuid NOT NULL,
    takes_commands boolean NOT NULL,
    paired_at      timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id, imei),
    FOREIGN KEY (tenant_id, vehicle_id) REFERENCES fleet.vehicle (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX device_line ON fleet.device (imei) WHERE takes_commands;
CREATE UNIQUE INDEX device_commanded ON fleet.device (vehicle_id) WHERE takes_commands;
CREATE INDEX device_vehicle ON fleet.device (vehicle_id);
COMMENT ON TABLE fleet.device IS 'Devices paired by their IMEI (FLT-15, FLT-16): the directory by which the link knows whose a device is that connects over TCP, and an operator''s own positions that Traccar forwards.';
COMMENT ON COLUMN fleet.device.imei IS 'What the device calls itself. One that takes commands exists once over all operators: it says nothing else about itself when it connects. For Traccar any unique id, known within its operator only.';
COMMENT ON COLUMN fleet.device.takes_commands IS 'Speaks over a connection that the link holds; a vehicle has at most one such device, and then its commands go there and not over MQTT.';

ALTER TABLE fleet.device ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.device FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.device USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

-- As for vehicle_key: the link hears devices before it knows whose they are. With no tenant set it
-- may look one up; it can neither add nor remove any.
CREATE POLICY link_reads ON fleet.device FOR SELECT TO fahrwerk_fleet USING (kernel.tenant() IS NULL);
