//! What the natural texts are made of.

/// English, about as often as each is used: what is said often stands here several times.
pub(crate) const ENGLISH: &str = "the the the the the the of of of of and and and to to to to in in in a a a is \
is that that it for for was on on are as with with they at be this have from or had by but not what all were \
when we there can an your which their said if will each about how up out them then she many some so these would \
other into has more two like him see time could no make than first been its who now people my made over did down \
only way find use may water long little very after words called just where most know account address afternoon \
agreement although analysis animal another answer apartment appearance argument arrangement article assistant \
attempt attention audience available average balance beautiful because behaviour believe between bicycle border \
bottom breakfast bridge brother budget building business calendar candidate capacity capital careful category \
certain challenge chapter character chemical childhood choice church circumstance citizen classroom climate \
coffee collection comfortable commission committee community comparison competition complaint completely \
concentration concern condition conference confidence connection consequence considerable construction consumer \
contract contribution conversation council country courage creature criticism culture currency customer danger \
database daughter decision definition delivery democracy department depending description desperate detail \
development diamond dictionary difference difficulty dinner direction disappeared discipline discovery discussion \
disease distance distribution document doubt dramatic drawing economy edition education effective electricity \
elephant emergency emotion employment encouraging engine enormous enterprise entrance environment equipment \
especially establish estimate evening eventually evidence examination example exchange excitement executive \
exercise existence expected experience experiment explanation expression extraordinary failure family farmer \
fashion favourite feature finally financial flower forest fortune foundation freedom frequently friendship \
furniture garden generation gentleman government grandmother ground guarantee guidance happiness harbour health \
history holiday hospital household however hundred identity imagination immediately importance impossible \
improvement incident including independent individual industry inflation influence information initiative \
injury inquiry insurance intelligence intention interest interview introduction investigation investment \
invitation island journalist journey judgment justice kitchen knowledge laboratory landscape language latitude \
lawyer leadership leather lecture library lighthouse literature location machinery magazine maintenance majority \
management manufacture marriage material measurement medicine meeting membership memory mention message midnight \
military minister minority mistake moment monument mountain movement museum musician mysterious nationality \
necessary negotiation neighbour network newspaper nightmare nothing obligation observation obviously occasion \
office opinion opportunity opposition orchestra organisation original otherwise ownership painting parliament \
participant particular passenger patience payment percentage performance permission personality perspective \
philosophy photograph physician picture planet platform pleasure poetry policeman politician population \
possibility poverty practical preference preparation presence president pressure previous principle priority \
prisoner privacy probably procedure production professional programme promise property proposal protection \
psychology publication punishment purpose quality quantity quarter question railway reaction reality reason \
recently recognition recommendation reduction reference reflection regulation relationship relief religion \
reputation requirement research resident resistance resolution resource respect responsibility restaurant \
retirement revolution satisfaction schedule scholarship science secretary security selection sentence separate \
settlement shadow shoulder silence similar situation software soldier solution something specialist spectacular \
spirit standard statement station statistics strategy strength structure struggle student substance suburb \
success suggestion summer surface surgery surprise surrounding survey suspicion sympathy system technique \
technology telephone television temperature temporary tendency territory theatre therefore thousand threatened \
together tomorrow tradition translation transport treatment triangle umbrella uncertainty understand unemployment \
universe university unusual vacation valley variety vegetable vehicle victory village violence visitor vocabulary \
volunteer warehouse weather wedding whatever whisper wilderness window winter without wonderful workshop yesterday";

/// Chinese words.
pub(crate) const CHINESE: &str = "我们 你们 他们 自己 大家 这个 那个 什么 怎么 为什么 因为 所以 但是 如果 虽然 \
而且 或者 已经 正在 可以 应该 必须 需要 可能 一定 非常 比较 特别 有时 经常 总是 从来 今天 明天 昨天 现在 以后 以前 \
时间 地方 问题 方法 情况 关系 影响 作用 结果 原因 过程 条件 要求 内容 方面 部分 系统 数据 程序 网络 软件 硬件 模型 \
训练 推理 参数 算法 接口 请求 响应 服务器 客户端 限制 速率 令牌 费用 估计 并发 队列 等待 超时 重试 错误 日志 配置 \
部署 监控 测试 版本 更新 文档 用户 账户 密码 安全 权限 管理 公司 经济 市场 产品 价格 客户 合同 项目 计划 会议 报告 \
分析 研究 发展 技术 科学 教育 文化 历史 社会 国家 政府 法律 政策 城市 农村 环境 天气 气候 空气 河流 山脉 森林 海洋 \
动物 植物 食物 水果 蔬菜 米饭 面条 早餐 晚餐 厨房 房间 窗户 桌子 椅子 书籍 报纸 音乐 电影 艺术 绘画 摄影 旅行 火车 \
飞机 汽车 自行车 机场 车站 医院 医生 护士 健康 疾病 药物 治疗 身体 眼睛 心脏 学校 老师 学生 同学 考试 作业 课程 大学 \
朋友 父母 孩子 兄弟 姐妹 家庭 婚姻 生活 工作 休息 睡觉 起床 跑步 游泳 比赛 运动 足球 篮球 胜利 失败 努力 成功 机会 \
希望 梦想 快乐 悲伤 愤怒 害怕 喜欢 讨厌 相信 怀疑 记得 忘记 学习 思考 讨论 解释 说明 描述 提供 支持 帮助 解决 处理 \
实现 完成 开始 结束 继续 停止 增加 减少 提高 降低 改变 选择 决定 同意 反对 参加 离开 到达 经过 发现 创造 设计 建设 \
投资 贸易 出口 进口 银行 贷款 利率 股票 风险 保险 税收 预算 成本 利润 收入 支出 人民 群众 领导 干部 组织 单位 责任 \
灯塔 码头 船只 渔民 风暴 月亮 星星 太阳 春天 夏天 秋天 冬天 早晨 中午 傍晚 夜里 安静 美丽 干净 漂亮 重要 复杂 简单 \
困难 容易 明显 清楚 具体 普遍 传统 现代 国际 全球 地区 东方 西方 南部 北部 中心 附近 周围 里面 外面 前面 后面 上海 \
北京 广州 深圳 香港 台湾 日本 美国 欧洲 一个 两个 三次 许多 所有 每个 其他 第一 最后 百分之二十 二零二六年 的 的 的 \
的 的 了 了 是 是 在 在 和 与 对 把 被 让 给 从 到 就 都 也 还 又 不 没 有 要 会 能 说 看 做 想 去 来 过 着 得 地";
