// What every page does: times, toasts, actions without a reload, keys of menus, the focus, and no page of somebody else's.
import { listen } from "./act.js";
import { byId } from "./dom.js";
import { keepFocus } from "./focus.js";
import { start as startHelp } from "./help.js";
import { listen as listenInMenus } from "./menu-keys.js";
import { keepDays, showTimes } from "./times.js";
import { tellTimezone } from "./timezone.js";
import { adopt } from "./toast.js";
import { leaveWhenUserChanges } from "./user.js";

tellTimezone();
showTimes(document);
keepDays();
adopt(byId("toasts", HTMLElement));
listen();
listenInMenus();
keepFocus();
startHelp();
leaveWhenUserChanges();
