// What every page does: toasts, actions without a reload, menus, and no page of somebody else's.
import { listen } from "./act.js";
import { byId } from "./dom.js";
import { adopt } from "./toast.js";
import { leaveWhenUserChanges } from "./user.js";

adopt(byId("toasts", HTMLElement));
listen();
leaveWhenUserChanges();
