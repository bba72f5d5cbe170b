// What every page does: toasts, actions without a reload, menus, and no page of somebody else's.
import { adopt } from "./toast.js";
import { listen } from "./act.js";
import { leaveWhenUserChanges } from "./user.js";

adopt(document.getElementById("toasts"));
listen();
leaveWhenUserChanges();
