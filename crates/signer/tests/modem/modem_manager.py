"""A ModemManager with one modem, for python3-dbusmock: what mmcli reads of it, with the types of its bus.

mmcli of ModemManager 1.20 ends with a segmentation fault when it misses a property: they are all there. The numbers
are those of MMModemState, MMModemStateFailedReason, MMModem3gppRegistrationState and MMModemAccessTechnology.
"""

import dbus
import dbusmock

BUS_NAME = "org.freedesktop.ModemManager1"
MAIN_OBJ = "/org/freedesktop/ModemManager1"
MAIN_IFACE = "org.freedesktop.ModemManager1"
SYSTEM_BUS = True
IS_OBJECT_MANAGER = True

MODEM = MAIN_OBJ + "/Modem/0"
MODEM_INTERFACE = MAIN_IFACE + ".Modem"
NETWORK_INTERFACE = MODEM_INTERFACE + ".Modem3gpp"
NOTHING = dbus.ObjectPath("/")


def pair(first, second):
    return dbus.Struct((dbus.UInt32(first), second))


def load(mock, parameters):
    mock.AddProperties(MAIN_IFACE, {"Version": "1.20.4"})
    number = lambda name, default: dbus.UInt32(parameters.get(name, default))
    mock.AddObject(MODEM, MODEM_INTERFACE, {
        "State": dbus.Int32(parameters.get("state", 11)),
        "StateFailedReason": number("state_failed_reason", 0),
        "AccessTechnologies": number("access_technologies", 1 << 14),
        "SignalQuality": pair(parameters.get("signal", 71), dbus.Boolean(True)),
        "PowerState": dbus.UInt32(3),
        "UnlockRequired": number("unlock_required", 1),
        "UnlockRetries": dbus.Dictionary({}, signature="uu"),
        "Sim": NOTHING,
        "SimSlots": dbus.Array([], signature="o"),
        "PrimarySimSlot": dbus.UInt32(0),
        "Bearers": dbus.Array([], signature="o"),
        "SupportedCapabilities": dbus.Array([dbus.UInt32(8)], signature="u"),
        "CurrentCapabilities": dbus.UInt32(8),
        "MaxBearers": dbus.UInt32(1),
        "MaxActiveBearers": dbus.UInt32(1),
        "MaxActiveMultiplexedBearers": dbus.UInt32(0),
        "Manufacturer": "Example",
        "Model": "E1",
        "Revision": "1",
        "HardwareRevision": "1",
        "CarrierConfiguration": "",
        "CarrierConfigurationRevision": "",
        "DeviceIdentifier": "0123456789abcdef",
        "Device": "/sys/devices/usb1",
        "Drivers": dbus.Array(["qmi_wwan"], signature="s"),
        "Plugin": "generic",
        "PrimaryPort": "cdc-wdm0",
        "Ports": dbus.Array([dbus.Struct(("wwan0", dbus.UInt32(2)))], signature="(su)"),
        "EquipmentIdentifier": "001010123456789",
        "OwnNumbers": dbus.Array([], signature="s"),
        "SupportedModes": dbus.Array([pair(8, dbus.UInt32(0))], signature="(uu)"),
        "CurrentModes": pair(8, dbus.UInt32(0)),
        "SupportedBands": dbus.Array([], signature="u"),
        "CurrentBands": dbus.Array([], signature="u"),
        "SupportedIpFamilies": dbus.UInt32(7),
    }, [])
    if parameters.get("state") == -1:
        # A modem that has failed is on no network.
        return
    dbusmock.get_object(MODEM).AddProperties(NETWORK_INTERFACE, {
        "RegistrationState": number("registration", 1),
        "OperatorName": "Example Mobile",
        "OperatorCode": "00101",
        "Imei": "001010123456789",
        "EnabledFacilityLocks": dbus.UInt32(0),
        "SubscriptionState": dbus.UInt32(0),
        "EpsUeModeOperation": dbus.UInt32(0),
        "Pco": dbus.Array([], signature="(ubay)"),
        "InitialEpsBearer": NOTHING,
        "InitialEpsBearerSettings": dbus.Dictionary({}, signature="sv"),
        "PacketServiceState": dbus.UInt32(2),
        "Nr5gRegistrationSettings": dbus.Dictionary({}, signature="sv"),
    })
