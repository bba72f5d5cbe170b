// What every page does: times, toasts, actions without a reload, menus, and no page of somebody else's.
import { listen } from "./act.js";
import { byId } from "./dom.js";
import { keepDays, showTimes } from "./times.js";
import { tellTimezone } from "./timezone.js";
import { adopt } from "./toast.js";
import { leaveWhenUserChanges } from "./user.js";

tellTimezone();
showTimes(document);
keepDays();
adopt(byId("toasts", HTMLElement));
listen();
leaveWhenUserChanges();
